#include "jobs/stages/output_papers.hpp"

#include <set>

#include <fmt/core.h>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "format/companion_files.hpp"
#include "format/model_card.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/settings/describe_job.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::jobs {
namespace {

/// The job as it reads anywhere: without what belongs to this machine.
QuantizeJob portable(QuantizeJob job) {
  job.output.dir = ".";
  const Backend backend = job.runtime.backend;
  job.runtime = {};
  job.runtime.work_dir = "work";  // must be given: the text can be read again as a job
  job.runtime.backend = backend;
  job.slurm = {};
  return job;
}

std::string folder_name(const Path& folder) {
  const Path normal = std::filesystem::absolute(folder).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

std::string codebooks_text(const solver::VptqSettings& settings) {
  std::string text =
      fmt::format("vectors of {}, {} centroids", settings.vector_len, settings.num_centroids);
  if (settings.num_res_centroids > 0) {
    text += fmt::format(", {} residual centroids", settings.num_res_centroids);
  }
  return text;
}

std::string integers_text(const solver::IntegerSettings& settings) {
  const bool has_groups = settings.effective_granularity() == solver::Granularity::group;
  return fmt::format(
      "{} bits, {}, {}, {}{}", settings.bits(), settings.symmetric ? "symmetric" : "asymmetric",
      has_groups ? fmt::format("groups of {}", settings.group_size) : "a scale for each output",
      settings.rounding == solver::Rounding::rtn
          ? "rounded to the nearest"
          : fmt::format("GPTQ refined in {} rounds", settings.refine_rounds),
      settings.quantizes_input() ? ", inputs of 8 bits" : "");
}

std::string method_text(const PreparedRun& prepared, const LayerUnit& unit) {
  const QuantizeSettings& settings = prepared.job.quantize;
  const std::string balanced = equalizes(settings) ? ", inputs and weights equalized" : "";
  if (!unit.makes_integers()) {
    return fmt::format("VPTQ: {} layers, {}, refined in {} rounds{}", prepared.units.size(),
                       codebooks_text(settings.vptq), settings.vptq.refine_rounds, balanced);
  }
  const solver::AweqSettings& aweq = unit.aweq();
  return fmt::format(
      "integers: {} layers, {}{}{}", prepared.units.size(), integers_text(aweq.integers), balanced,
      aweq.bias_correction == solver::BiasCorrection::off ? "" : ", biases corrected");
}

std::vector<std::string> recipe_of(const PreparedRun& prepared) {
  const QuantizeSettings& settings = prepared.job.quantize;
  std::vector<std::string> lines = {method_text(prepared, prepared.units.front())};
  for (const LayerOverride& entry : settings.overrides) {
    lines.push_back(fmt::format("`{}`: {}", entry.match,
                                settings.method == Method::vptq
                                    ? codebooks_text(entry.vptq)
                                    : integers_text(entry.aweq.integers)));
  }
  lines.push_back(fmt::format("calibrated on {} samples of {} tokens, dampening {}",
                              prepared.num_samples(), prepared.sample_length(),
                              settings.dampening_frac));
  const residual::ResidualSettings& residual = prepared.job.residual;
  if (residual.is_wanted()) {
    lines.push_back(fmt::format(
        "residuals of {} bits in `{}`{}", residual.bits, format::kResidualFileName,
        residual.k_chunk > 0 ? fmt::format(", to be used: solved for {} channels of each {} "
                                           "compensated",
                                           residual.k_chunk, residual::kChunk)
                             : ""));
  }
  return lines;
}

std::vector<format::Score> scores_of(const PreparedRun& prepared, const Scores& scores) {
  if (!scores.original || !scores.quantized) return {};
  const EvaluationSettings& settings = prepared.job.evaluation;
  const Path text = settings.text.empty() ? settings.tokens : settings.text;
  const std::string conditions =
      fmt::format("{}, context {}, {} predicted tokens", text.filename().string(),
                  scores.quantized->context_length, scores.quantized->num_tokens);
  std::vector<format::Score> all = {
      {"perplexity", conditions, scores.original->perplexity, scores.quantized->perplexity}};
  if (scores.divergence) {
    all.push_back(
        {"mean divergence from the original (KL, nats)", conditions, {}, *scores.divergence});
  }
  return all;
}

std::vector<std::string> limits_of(const AssembledModel& assembled) {
  std::set<std::string> limits;
  for (const auto& [name, sizes] : assembled.sizes.vptq) {
    for (auto& problem : format::gpu_problems(sizes)) limits.insert(std::move(problem));
  }
  return {limits.begin(), limits.end()};
}

std::map<std::string, std::string> degraded_layers(const PreparedRun& prepared,
                                                   const std::vector<LayerReport>& layers) {
  std::map<std::string, std::string> degraded;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    if (layers[l].is_degraded) degraded[prepared.units[l].layer.name] = text_of(layers[l].ladder);
  }
  return degraded;
}

JsonValue perplexity_json(const evaluation::Perplexity& score) {
  return JsonValue::object()
      .set("perplexity", score.perplexity)
      .set("context_length", score.context_length)
      .set("tokens", score.num_tokens);
}

void add_weight_files(const std::map<std::string, std::string>& digests, std::string_view stem,
                      const std::filesystem::path& folder,
                      std::map<std::string, format::FileRecord>& files) {
  const auto bytes_of = [&](const std::string& file) {
    std::error_code missing;
    const auto bytes = std::filesystem::file_size(folder / file, missing);
    return missing ? std::uintmax_t{0} : bytes;
  };
  for (const auto& [file, digest] : digests) files[file] = {bytes_of(file), digest};
  const std::string index = model::index_file_name(stem);
  if (digests.size() > 1 && std::filesystem::exists(folder / index)) {
    files[index] = format::record_of(folder / index);
  }
}

}  // namespace

std::string model_card_of(const PreparedRun& prepared, const AssembledModel& assembled,
                          const Scores& scores) {
  format::ModelCard card;
  card.base_model = folder_name(prepared.job.model.path);
  card.name =
      fmt::format("{}-{}-{:.2f}bit", card.base_model, name_of_value(prepared.job.quantize.method),
                  assembled.packed.bits_per_weight());
  card.recipe = recipe_of(prepared);
  card.size = assembled.packed;
  card.original_bytes = assembled.bytes_before;
  card.stored_type = prepared.job.output.dtype;
  card.format = format_text(prepared, assembled.sizes);
  card.scores = scores_of(prepared, scores);
  card.limits = limits_of(assembled);
  card.degraded = degraded_layers(prepared, assembled.layers);
  card.version = TESSERA_VERSION;
  return format::model_card(card);
}

std::map<std::string, format::FileRecord> meant_files(const PreparedRun& prepared,
                                                      const AssembledModel& assembled,
                                                      const std::filesystem::path& folder) {
  const Path& model = prepared.job.model.path;
  std::map<std::string, format::FileRecord> files;
  for (const std::string& file : format::companion_files(model)) {
    files[file] = format::record_of(model / file);
  }
  add_weight_files(assembled.weight_digests, model::kModelStem, folder, files);
  add_weight_files(assembled.residual_digests, format::kResidualStem, folder, files);
  for (const auto& [file, text] : config_files(prepared, assembled.sizes)) {
    files[file] = {text.size(), digest_of_text(text)};
  }
  return files;
}

format::Manifest manifest_of(const PreparedRun& prepared, const AssembledModel& assembled,
                             std::map<std::string, format::FileRecord> files) {
  format::Manifest manifest;
  manifest.versions["tessera"] = TESSERA_VERSION;
  manifest.versions["compiler"] = "GCC " __VERSION__;
  for (const auto& [file, digest] : prepared.input_digests)
    manifest.inputs["model/" + file] = digest;
  manifest.inputs["job"] = prepared.fingerprint.id();
  manifest.inputs["calibration text"] = prepared.calibration_tokens.text_digest;
  manifest.inputs["tokenizer"] = prepared.calibration_tokens.tokenizer_digest;
  if (prepared.evaluation_tokens) {
    manifest.inputs["evaluation text"] = prepared.evaluation_tokens->text_digest;
  }
  manifest.job = job_text(portable(prepared.job));
  for (const std::string& file : format::companion_files(prepared.job.model.path)) {
    manifest.inputs["model/" + file] = files.at(file).sha256;
  }
  manifest.files = std::move(files);
  for (const auto& [file, text] : config_files(prepared, assembled.sizes)) {
    if (file == "config.json") manifest.config = JsonValue::parse(text, file);
  }
  for (const auto& [tensor, form] : assembled.tensor_forms) manifest.tensors[tensor] = {form, ""};
  manifest.degraded = degraded_layers(prepared, assembled.layers);
  return manifest;
}

JsonValue scores_json(const RunReport& report) {
  JsonValue scores = JsonValue::object();
  scores.set("bits_per_weight", report.bits_per_weight)
      .set("mean_proxy_error", report.mean_proxy_error);
  if (report.original) scores.set("original", perplexity_json(*report.original));
  if (report.quantized) scores.set("quantized", perplexity_json(*report.quantized));
  if (report.divergence) scores.set("divergence", *report.divergence);
  return scores;
}

}  // namespace tessera::jobs
