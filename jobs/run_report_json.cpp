#include <limits>

#include "core/error.hpp"
#include "jobs/run_report.hpp"

namespace tessera::jobs {
namespace {

std::size_t size_at(const JsonValue& object, const char* key) {
  const auto value = object.at(key).integer();
  require_input(value >= 0, std::string("JSON: ") + key + " is negative");
  return static_cast<std::size_t>(value);
}

std::vector<std::string> texts_at(const JsonValue& object, const char* key) {
  std::vector<std::string> texts;
  for (const JsonValue& item : object.at(key).items()) texts.push_back(item.text());
  return texts;
}

JsonValue list_of(const std::vector<std::string>& texts) {
  JsonValue list = JsonValue::list();
  for (const std::string& text : texts) list.append(text);
  return list;
}

/// NaN and infinity have no JSON: null stands for them.
double number_at(const JsonValue& object, const char* key) {
  const JsonValue& value = object.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.number();
}

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

RecipeReport recipe_from(const JsonValue& json) {
  if (json.is_null()) return {};
  return {json.at("recipe").text(), number_at(json, "predicted_loss"),
          number_at(json, "predicted_own_loss")};
}

JsonValue ladder_json(const std::vector<Rung>& ladder) {
  JsonValue list = JsonValue::list();
  for (const Rung& rung : ladder) {
    list.append(JsonValue::object().set("tried", rung.tried).set("problem", rung.problem));
  }
  return list;
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
      .set("remarks", list_of(row.remarks))
      .set("compensation", points_json(row.compensation))
      .set("allocated", recipe_json(row.allocated))
      .set("ladder", ladder_json(row.ladder))
      .set("kept", row.is_kept);
}

std::vector<residual::CompensationPoint> points_from(const JsonValue& json) {
  std::vector<residual::CompensationPoint> points;
  for (const JsonValue& item : json.items()) {
    const auto rule = value_named<residual::SelectionRule>(item.at("selection").text());
    require_input(rule.has_value(), "JSON: selection is no rule that this program knows");
    points.push_back({*rule, size_at(item, "k_chunk"), number_at(item, "error"),
                      number_at(item, "recall")});
  }
  return points;
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

std::vector<CompensatedReport> compensated_from(const JsonValue& json) {
  std::vector<CompensatedReport> scores;
  for (const JsonValue& item : json.items()) {
    scores.push_back({size_at(item, "k_chunk"), item.at("by_layer").boolean(),
                      number_at(item, "perplexity"),
                      number_at(item, "recall"), size_at(item, "bytes_per_token")});
  }
  return scores;
}

std::vector<Rung> ladder_from(const JsonValue& json) {
  std::vector<Rung> ladder;
  for (const JsonValue& item : json.items()) {
    ladder.push_back({item.at("tried").text(), item.at("problem").text()});
  }
  return ladder;
}

LayerReport layer_from(const JsonValue& json) {
  LayerReport row;
  row.block = size_at(json, "block");
  row.module = json.at("module").text();
  row.in_features = size_at(json, "in_features");
  row.out_features = size_at(json, "out_features");
  row.bits = number_at(json, "bits");
  row.proxy_error = number_at(json, "proxy_error");
  row.seconds = number_at(json, "seconds");
  row.damp_fraction = number_at(json, "damp_fraction");
  row.bias_gain = number_at(json, "bias_gain");
  row.num_dead_columns = size_at(json, "dead_columns");
  row.is_degraded = json.at("degraded").boolean();
  row.remarks = texts_at(json, "remarks");
  row.compensation = points_from(json.at("compensation"));
  row.allocated = recipe_from(json.at("allocated"));
  row.ladder = ladder_from(json.at("ladder"));
  row.is_kept = json.at("kept").boolean();
  return row;
}

JsonValue number_or_null(const std::optional<double>& value) {
  return value ? JsonValue(*value) : JsonValue();
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
  json.set("max_ratio", number_or_null(report.max_perplexity_ratio));
  return json;
}

void take_perplexity(const JsonValue& json, RunReport& report) {
  if (json.is_null()) return;
  evaluation::Perplexity score;
  score.context_length = size_at(json, "context_length");
  score.num_windows = size_at(json, "windows");
  score.num_tokens = size_at(json, "tokens");
  report.original = report.quantized = score;
  report.original->perplexity = number_at(json, "original");
  report.original->mean_nll = number_at(json, "original_mean_nll");
  report.quantized->perplexity = number_at(json, "quantized");
  report.quantized->mean_nll = number_at(json, "quantized_mean_nll");
  if (!json.at("max_ratio").is_null()) report.max_perplexity_ratio = json.at("max_ratio").number();
}

JsonValue divergence_json(const RunReport& report) {
  if (!report.divergence) return {};
  return JsonValue::object()
      .set("mean", *report.divergence)
      .set("max", number_or_null(report.max_divergence));
}

void take_divergence(const JsonValue& json, RunReport& report) {
  if (json.is_null()) return;
  report.divergence = number_at(json, "mean");
  if (!json.at("max").is_null()) report.max_divergence = json.at("max").number();
}

JsonValue machine_json(const MachineReport& machine) {
  return JsonValue::object()
      .set("processor", machine.processor)
      .set("cores", machine.num_cores)
      .set("threads", machine.num_threads)
      .set("ranks", machine.num_ranks)
      .set("memory_bytes", machine.memory_bytes);
}

RunReport read_report(const JsonValue& json) {
  RunReport report;
  report.model = json.at("model").text();
  report.output_dir = json.at("output_dir").text();
  report.work_dir = json.at("work_dir").text();
  report.bits_per_weight = number_at(json, "bits_per_weight");
  report.mean_proxy_error = number_at(json, "mean_proxy_error");
  report.bytes_before = size_at(json, "bytes_before");
  report.bytes_after = size_at(json, "bytes_after");
  report.residual_bytes = size_at(json, "residual_bytes");
  take_perplexity(json.at("perplexity"), report);
  take_divergence(json.at("divergence"), report);
  report.compensated = compensated_from(json.at("compensated"));
  for (const auto& [name, seconds] : json.at("seconds").entries()) {
    report.stages.push_back({name, seconds.number()});
  }
  report.peak_memory_bytes = size_at(json, "peak_memory_bytes");
  report.num_samples = size_at(json, "num_samples");
  report.sample_length = size_at(json, "sample_length");
  report.gate_problems = texts_at(json, "gate_problems");
  report.version = json.at("version").text();
  if (json.contains("commit")) report.commit = json.at("commit").text();  // newer than the others
  report.fingerprint = json.at("fingerprint").text();
  report.packages = json.at("python_packages").text();
  const JsonValue& machine = json.at("machine");
  report.machine = {machine.at("processor").text(), size_at(machine, "cores"),
                    size_at(machine, "threads"), size_at(machine, "ranks"),
                    size_at(machine, "memory_bytes")};
  for (const JsonValue& row : json.at("layers").items()) report.layers.push_back(layer_from(row));
  report.job_text = json.at("job").text();
  return report;
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
      .set("gate_problems", list_of(report.gate_problems))
      .set("was_finished_before", report.was_finished_before)
      .set("version", report.version)
      .set("commit", report.commit)
      .set("fingerprint", report.fingerprint)
      .set("python_packages", report.packages)
      .set("machine", machine_json(report.machine))
      .set("layers", std::move(layers))
      .set("job", report.job_text);
}

RunReport report_from_json(const JsonValue& document, const std::string& origin) {
  try {
    return read_report(document);
  } catch (const InputError& error) {
    throw InputError(origin + " is no report of a run (" + error.what() + ")");
  }
}

}  // namespace tessera::jobs
