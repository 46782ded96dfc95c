#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/describe.hpp"
#include "core/json_value.hpp"
#include "jobs/run_report.hpp"

// One run as the ledger keeps it: what was quantized and how, by which program on which machine,
// what came out, and what that was worth beside the last good run of the same model and recipe.
namespace tessera::jobs {

/// How a run ended.
enum class RunEnd {
  done,
  degraded,  ///< published, but layers needed a fallback
  refused,   ///< the gate did not let it be published
  failed,    ///< no result
};

enum class VerdictKind {
  first,    ///< there is no good run to compare with
  better,   ///< past a bound to the better, in nothing past one to the worse
  same,     ///< the same weight files, byte for byte
  changed,  ///< other bytes, within the bounds
  worse,    ///< past a bound to the worse, or degraded
  failed,   ///< refused or failed
};

/// A layer whose error rose past the bound.
struct LayerRise {
  std::string layer;
  double before = 0, after = 0;  ///< proxy errors; `after` may be no number
};

struct Verdict {
  VerdictKind kind = VerdictKind::first;
  std::vector<std::string> reasons;  ///< sentences, what weighs most first
  std::vector<std::string>
      warnings;  ///< what changes no verdict: time, other bytes, another recipe
  std::vector<LayerRise> worse_layers;  ///< the one that rose most first
  std::string against;                  ///< the time of the row compared with; empty: none
};

struct LedgerLayer {
  std::string layer;  ///< "layers.3.mlp.down_proj"
  double bits = 0, proxy_error = 0;
};

struct LedgerModel {
  std::string path;
  std::string
      sha256;  ///< over names and digests of config.json and the weight files; empty: unknown
};

struct LedgerRecipe {
  std::string fingerprint;  ///< of the job and everything it names
  std::string job;          ///< as understood, YAML
};

struct LedgerProgram {
  std::string version;
  std::string commit;  ///< see built_commit; empty: unknown
};

struct LedgerScores {
  std::optional<double> original, quantized;  ///< perplexities
  std::uint64_t context_length = 0, tokens = 0;
  std::optional<double> bits_per_weight, mean_proxy_error;

  std::optional<double> ratio() const;  ///< quantized over original
};

struct LedgerOutput {
  std::string dir;
  std::string manifest_sha256;
  std::map<std::string, std::string> files;  ///< SHA-256 by name

  /// The weight files among them; the model card and the manifest also name the program's version.
  std::map<std::string, std::string> weights() const;
};

struct LedgerRow {
  static constexpr std::int64_t kVersion = 1;

  std::string time;  ///< when it was appended: "2026-01-31T03:12:45Z"
  std::string name;  ///< of the recipe
  RunEnd end = RunEnd::failed;
  std::vector<std::string> problems;  ///< why it failed, was refused or is degraded
  Verdict verdict;
  LedgerModel model;
  LedgerRecipe recipe;
  LedgerProgram program;
  std::string host;
  MachineReport machine;
  LedgerScores scores;
  std::map<std::string, double> seconds;  ///< by stage
  std::uint64_t peak_memory_bytes = 0;
  std::vector<LedgerLayer> layers;  ///< empty where only an output was at hand
  LedgerOutput output;
  std::string report_sha256;  ///< of report.json, which two runs never share; empty: there is none

  double total_seconds() const;
  /// Whether later runs are compared with it: done, not degraded, not worse.
  bool is_good() const;
};

/// One object; its first key is "ledger_version".
JsonValue to_json(const LedgerRow& row);
/// Inverse. Throws InputError naming @p origin and the key at fault, or the version that this
/// program does not know.
LedgerRow ledger_row_from_json(const JsonValue& json, const std::string& origin);

}  // namespace tessera::jobs

namespace tessera {
template <>
struct EnumNames<jobs::RunEnd> {
  static constexpr std::pair<jobs::RunEnd, std::string_view> kNames[] = {
      {jobs::RunEnd::done, "done"},
      {jobs::RunEnd::degraded, "degraded"},
      {jobs::RunEnd::refused, "refused"},
      {jobs::RunEnd::failed, "failed"}};
};
template <>
struct EnumNames<jobs::VerdictKind> {
  static constexpr std::pair<jobs::VerdictKind, std::string_view> kNames[] = {
      {jobs::VerdictKind::first, "first"}, {jobs::VerdictKind::better, "better"},
      {jobs::VerdictKind::same, "same"},   {jobs::VerdictKind::changed, "changed"},
      {jobs::VerdictKind::worse, "worse"}, {jobs::VerdictKind::failed, "failed"}};
};
}  // namespace tessera
