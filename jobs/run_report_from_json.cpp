#include "core/error.hpp"
#include "jobs/json_archive.hpp"
#include "jobs/run_report.hpp"

namespace tessera::jobs {
namespace {

RecipeReport recipe_from(const JsonValue& json) {
  RecipeReport allocated;
  if (json.is_null()) return allocated;
  JsonReader take(json);
  take("recipe", allocated.recipe);
  take("predicted_loss", allocated.loss);
  take("predicted_own_loss", allocated.own_loss);
  return allocated;
}

residual::CompensationPoint point_from(const JsonValue& json) {
  residual::CompensationPoint point;
  JsonReader take(json);
  take("selection", point.rule);
  take("k_chunk", point.k_chunk);
  take("error", point.error);
  take("recall", point.recall);
  return point;
}

CompensatedReport compensated_from(const JsonValue& json) {
  CompensatedReport score;
  JsonReader take(json);
  take("k_chunk", score.k_chunk);
  take("by_layer", score.is_by_layer);
  take("perplexity", score.perplexity);
  take("recall", score.recall);
  take("bytes_per_token", score.bytes_per_token);
  return score;
}

LayerReport layer_from(const JsonValue& json) {
  LayerReport row;
  JsonReader take(json);
  take("block", row.block);
  take("module", row.module);
  take("in_features", row.in_features);
  take("out_features", row.out_features);
  take("bits", row.bits);
  take("proxy_error", row.proxy_error);
  take("seconds", row.seconds);
  take("damp_fraction", row.damp_fraction);
  take("bias_gain", row.bias_gain);
  take("dead_columns", row.num_dead_columns);
  take("degraded", row.is_degraded);
  take("remarks", row.remarks);
  take("ladder", row.ladder);
  take("kept", row.is_kept);
  for (const JsonValue& point : json.at("compensation").items()) {
    row.compensation.push_back(point_from(point));
  }
  row.allocated = recipe_from(json.at("allocated"));
  return row;
}

void take_perplexity(const JsonValue& json, RunReport& report) {
  if (json.is_null()) return;
  evaluation::Perplexity original;
  JsonReader take(json);
  take("context_length", original.context_length);
  take("windows", original.num_windows);
  take("tokens", original.num_tokens);
  evaluation::Perplexity quantized = original;  // of the same windows
  take("original", original.perplexity);
  take("original_mean_nll", original.mean_nll);
  take("quantized", quantized.perplexity);
  take("quantized_mean_nll", quantized.mean_nll);
  take("max_ratio", report.max_perplexity_ratio);
  report.original = original;
  report.quantized = quantized;
}

void take_divergence(const JsonValue& json, RunReport& report) {
  if (json.is_null()) return;
  JsonReader take(json);
  take("mean", report.divergence.emplace());
  take("max", report.max_divergence);
}

RunReport read_report(const JsonValue& json) {
  RunReport report;
  JsonReader take(json);
  take("model", report.model);
  take("output_dir", report.output_dir);
  take("work_dir", report.work_dir);
  take("bits_per_weight", report.bits_per_weight);
  take("mean_proxy_error", report.mean_proxy_error);
  take("bytes_before", report.bytes_before);
  take("bytes_after", report.bytes_after);
  take("residual_bytes", report.residual_bytes);
  take_perplexity(json.at("perplexity"), report);
  take_divergence(json.at("divergence"), report);
  for (const JsonValue& score : json.at("compensated").items()) {
    report.compensated.push_back(compensated_from(score));
  }
  for (const auto& [name, seconds] : json.at("seconds").entries()) {
    report.stages.push_back({name, seconds.number()});
  }
  take("peak_memory_bytes", report.peak_memory_bytes);
  take("num_samples", report.num_samples);
  take("sample_length", report.sample_length);
  take("gate_problems", report.gate_problems);
  take("version", report.version);
  if (json.contains("commit")) take("commit", report.commit);  // newer than the others
  take("fingerprint", report.fingerprint);
  take("python_packages", report.packages);
  take("machine", report.machine);
  for (const JsonValue& row : json.at("layers").items()) report.layers.push_back(layer_from(row));
  take("job", report.job_text);
  return report;
}

}  // namespace

RunReport report_from_json(const JsonValue& document, const std::string& origin) {
  try {
    return read_report(document);
  } catch (const InputError& error) {
    throw InputError(origin + " is no report of a run (" + error.what() + ")");
  }
}

}  // namespace tessera::jobs
