#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "jobs/run_context.hpp"
#include "jobs/settings/job_settings.hpp"

// What would otherwise fail after hours, tried on the ranks of an allocation in about two minutes.
namespace tessera::jobs {

enum class Verdict { ok, warning, failed };

/// What a check found on one rank.
struct Finding {
  Verdict verdict = Verdict::ok;
  double value = 0;      ///< what was measured
  std::string unit;      ///< "bytes", "bytes/s", "s"
  std::string sentence;  ///< what was seen; where it is not well, also why and what to do

  bool operator==(const Finding&) const = default;
};

struct RankFinding {
  std::size_t rank = 0;
  std::string host;
  Finding finding;
};

struct CheckReport {
  std::string name;
  Finding finding;                   ///< the worst of all ranks
  double seconds = 0;                ///< of the slowest rank
  std::vector<RankFinding> by_rank;  ///< the ranks that did not find it well
};

struct PreflightReport {
  std::vector<CheckReport> checks;
  std::size_t num_ranks = 0;
  double seconds = 0;
  bool has_failed() const;
};

/// Tries @p job on the allocation, in this order: the model and its headers; one block really read;
/// tokens and the tokenizer; memory; the work folder's disk; free space; the work folder seen by
/// all ranks; its locks; the ranks' clocks; an ordered sum of a block's statistics; k-means; the
/// largest factorization. Without a model only those follow that need none. Each check has a share
/// of the time: what would take longer is measured smaller, and the sentence says so.
///
/// What fails on one rank becomes a finding; nothing is thrown but Interrupted. Writes files of its
/// own below the work folder and the output's parent, and removes them. The report is the same on
/// all ranks. Collective.
PreflightReport preflight(RunContext& run, const QuantizeJob& job);

/// Runs @p check on every rank and joins what they found; what it throws is a finding, too. @p
/// check may be collective if it throws on no rank between its first and its last word to the
/// others. Collective.
CheckReport try_on_all_ranks(cluster::Communicator& comm, const std::string& name,
                             const std::function<Finding()>& check);

/// {"failed": false, "ranks": 8, "seconds": 71.2, "checks": [{"name": "disk", "verdict": "ok",
///  "value": 1.2e9, "unit": "bytes/s", "seconds": 3.1, "sentence": S, "ranks": [{"rank": 3,
///  "host": "node07", ...}]}]}
JsonValue to_json(const PreflightReport& report);

std::string name_of(Verdict verdict);

}  // namespace tessera::jobs
