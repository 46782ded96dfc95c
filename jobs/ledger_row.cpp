#include "jobs/ledger_row.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/json_archive.hpp"

namespace tessera::jobs {

template <class Archive>
void archive(Archive& a, LayerRise& r) {
  a("layer", r.layer);
  a("before", r.before);
  a("after", r.after);
}

template <class Archive>
void archive(Archive& a, Verdict& v) {
  a("kind", v.kind);
  a("reasons", v.reasons);
  a("warnings", v.warnings);
  a("worse_layers", v.worse_layers);
  a("against", v.against);
}

template <class Archive>
void archive(Archive& a, LedgerLayer& l) {
  a("layer", l.layer);
  a("bits", l.bits);
  a("proxy_error", l.proxy_error);
}

template <class Archive>
void archive(Archive& a, LedgerModel& m) {
  a("path", m.path);
  a("sha256", m.sha256);
}

template <class Archive>
void archive(Archive& a, LedgerRecipe& r) {
  a("fingerprint", r.fingerprint);
  a("job", r.job);
}

template <class Archive>
void archive(Archive& a, LedgerProgram& p) {
  a("version", p.version);
  a("commit", p.commit);
}

template <class Archive>
void archive(Archive& a, LedgerScores& s) {
  a("perplexity_original", s.original);
  a("perplexity_quantized", s.quantized);
  a("context_length", s.context_length);
  a("tokens", s.tokens);
  a("bits_per_weight", s.bits_per_weight);
  a("mean_proxy_error", s.mean_proxy_error);
}

template <class Archive>
void archive(Archive& a, LedgerOutput& o) {
  a("dir", o.dir);
  a("manifest_sha256", o.manifest_sha256);
  a("files", o.files);
}

template <class Archive>
void archive(Archive& a, LedgerRow& r) {
  a("time", r.time);
  a("name", r.name);
  a("end", r.end);
  a("problems", r.problems);
  a("verdict", r.verdict);
  a("model", r.model);
  a("recipe", r.recipe);
  a("program", r.program);
  a("host", r.host);
  a("machine", r.machine);
  a("scores", r.scores);
  a("seconds", r.seconds);
  a("peak_memory_bytes", r.peak_memory_bytes);
  a("layers", r.layers);
  a("output", r.output);
  a("report_sha256", r.report_sha256);
}

std::optional<double> LedgerScores::ratio() const {
  if (!original || !quantized) return std::nullopt;
  return *quantized / *original;
}

std::map<std::string, std::string> LedgerOutput::weights() const {
  std::map<std::string, std::string> weights;
  for (const auto& [name, digest] : files) {
    if (name.ends_with(".safetensors")) weights.emplace(name, digest);
  }
  return weights;
}

double LedgerRow::total_seconds() const {
  double sum = 0;
  for (const auto& [stage, taken] : seconds) sum += taken;
  return sum;
}

bool LedgerRow::is_good() const {
  return end == RunEnd::done && verdict.kind != VerdictKind::worse &&
         verdict.kind != VerdictKind::failed;
}

JsonValue to_json(const LedgerRow& row) {
  JsonValue json = JsonValue::object();
  json.set("ledger_version", LedgerRow::kVersion);
  const JsonValue fields = json_of(row);
  for (const auto& [key, value] : fields.entries()) json.set(key, value);
  return json;
}

LedgerRow ledger_row_from_json(const JsonValue& json, const std::string& origin) {
  LedgerRow row;
  try {
    if (const auto version = json.at("ledger_version").integer(); version != LedgerRow::kVersion) {
      throw InputError(fmt::format("ledger_version is {} (this program knows {})", version,
                                   LedgerRow::kVersion));
    }
    take_json(json, row);
  } catch (const InputError& error) {
    throw InputError(
        fmt::format("{}: {}. Read it with the program that wrote it, or begin another ledger.",
                    origin, error.what()));
  }
  return row;
}

}  // namespace tessera::jobs
