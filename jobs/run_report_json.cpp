#include "jobs/json_archive.hpp"
#include "jobs/run_report.hpp"

namespace tessera::jobs {
namespace {

JsonValue points_json(const std::vector<residual::CompensationPoint>& points) {
  JsonValue list = JsonValue::list();
  for (const residual::CompensationPoint& point : points) {
    list.append(JsonValue::object()
                    .set("selection", name_of_value(point.rule))
                    .set("k_chunk", point.k_chunk)
                    .set("error", point.error)
                    .set("recall", point.recall));
  }
  return list;
}

JsonValue recipe_json(const RecipeReport& allocated) {
  if (allocated.recipe.empty()) return {};
  return JsonValue::object()
      .set("recipe", allocated.recipe)
      .set("predicted_loss", allocated.loss)
      .set("predicted_own_loss", allocated.own_loss);
}

JsonValue layer_json(const LayerReport& row) {
  return JsonValue::object()
      .set("block", row.block)
      .set("module", row.module)
      .set("in_features", row.in_features)
      .set("out_features", row.out_features)
      .set("bits", row.bits)
      .set("proxy_error", row.proxy_error)
      .set("seconds", row.seconds)
      .set("damp_fraction", row.damp_fraction)
      .set("bias_gain", row.bias_gain)
      .set("dead_columns", row.num_dead_columns)
      .set("degraded", row.is_degraded)
      .set("remarks", json_of(row.remarks))
      .set("compensation", points_json(row.compensation))
      .set("allocated", recipe_json(row.allocated))
      .set("ladder", json_of(row.ladder))
      .set("kept", row.is_kept);
}

JsonValue compensated_json(const std::vector<CompensatedReport>& scores) {
  JsonValue list = JsonValue::list();
  for (const CompensatedReport& score : scores) {
    list.append(JsonValue::object()
                    .set("k_chunk", score.k_chunk)
                    .set("by_layer", score.is_by_layer)
                    .set("perplexity", score.perplexity)
                    .set("recall", score.recall)
                    .set("bytes_per_token", score.bytes_per_token));
  }
  return list;
}

/// Both scores are of the same windows.
JsonValue perplexity_json(const RunReport& report) {
  if (!report.original || !report.quantized) return {};
  JsonValue json = JsonValue::object();
  json.set("original", report.original->perplexity)
      .set("quantized", report.quantized->perplexity)
      .set("original_mean_nll", report.original->mean_nll)
      .set("quantized_mean_nll", report.quantized->mean_nll)
      .set("context_length", report.original->context_length)
      .set("windows", report.original->num_windows)
      .set("tokens", report.original->num_tokens);
  json.set("max_ratio", json_of(report.max_perplexity_ratio));
  return json;
}

JsonValue divergence_json(const RunReport& report) {
  if (!report.divergence) return {};
  return JsonValue::object()
      .set("mean", *report.divergence)
      .set("max", json_of(report.max_divergence));
}

}  // namespace

JsonValue to_json(const RunReport& report) {
  JsonValue seconds = JsonValue::object();
  for (const StageReport& stage : report.stages) seconds.set(stage.name, stage.seconds);
  JsonValue layers = JsonValue::list();
  for (const LayerReport& row : report.layers) layers.append(layer_json(row));
  return JsonValue::object()
      .set("model", report.model)
      .set("output_dir", report.output_dir)
      .set("work_dir", report.work_dir)
      .set("published", report.is_published())
      .set("degraded", report.is_degraded())
      .set("bits_per_weight", report.bits_per_weight)
      .set("mean_proxy_error", report.mean_proxy_error)
      .set("bytes_before", report.bytes_before)
      .set("bytes_after", report.bytes_after)
      .set("residual_bytes", report.residual_bytes)
      .set("perplexity", perplexity_json(report))
      .set("divergence", divergence_json(report))
      .set("compensated", compensated_json(report.compensated))
      .set("seconds", std::move(seconds))
      .set("total_seconds", report.total_seconds())
      .set("peak_memory_bytes", report.peak_memory_bytes)
      .set("num_samples", report.num_samples)
      .set("sample_length", report.sample_length)
      .set("gate_problems", json_of(report.gate_problems))
      .set("was_finished_before", report.was_finished_before)
      .set("version", report.version)
      .set("commit", report.commit)
      .set("fingerprint", report.fingerprint)
      .set("python_packages", report.packages)
      .set("machine", json_of(report.machine))
      .set("layers", std::move(layers))
      .set("job", report.job_text);
}

}  // namespace tessera::jobs
