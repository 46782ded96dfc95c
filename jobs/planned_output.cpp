#include "jobs/planned_output.hpp"

#include <algorithm>

#include "format/companion_files.hpp"
#include "format/manifest.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/gate/verdict.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/stages/output_papers.hpp"
#include "jobs/stages/residual_files.hpp"
#include "model/safetensors_index.hpp"

namespace tessera::jobs {
namespace {

/// Of a GATE.json that found nothing, about; and of what it says of residuals besides.
constexpr std::uint64_t kGateBytes = 1655, kGateResidualBytes = 111;

/// Numbers as long as those that will be printed.
constexpr double kSomeScore = 20.363212345678901, kSomeError = 0.02834123456789012;

class OutputPlan {
 public:
  OutputPlan(const PlannedModel& model, const WorkFolder& work)
      : model_(model), prepared_(model.prepared), job_(model.prepared.job), work_(work) {}

  PlannedOutput make() {
    add_sizes();
    add_weights();
    if (job_.residual.is_wanted()) add_residuals();
    for (const auto& [file, text] : config_files(prepared_, assembled_.sizes))
      add(file, text.size());
    for (const std::string& file : format::companion_files(job_.model.path)) {
      add(file, std::filesystem::file_size(job_.model.path / file));
    }
    add_papers();
    std::ranges::sort(output_.files, {}, &OutputFile::name);
    return std::move(output_);
  }

 private:
  void add(const std::string& name, std::uint64_t bytes) { output_.files.push_back({name, bytes}); }

  void add_sizes() {
    for (const LayerUnit& unit : prepared_.units) {
      assembled_.sizes.add(unit.layer, planned_sizes(unit, scale_type(job_.output)));
    }
    assembled_.sizes.declare_biases(prepared_.config);
    assembled_.bytes_before = model_.weight_bytes;
  }

  void add_weights() {
    const format::PackedModel packed{.config = prepared_.config,
                                     .original = model_.original,
                                     .layers = packed_tensors(prepared_, assembled_.sizes, work_),
                                     .changed = {},  // in place of tensors of the same size
                                     .stored_type = job_.output.dtype,
                                     .store_tied_head = job_.output.store_tied_head};
    const auto tensors = format::packed_model_tensors(packed);
    output_.packed = assembled_.packed = format::packed_size(packed, tensors);
    output_.weight_bytes = add_shards(tensors, model::kModelStem, {}, assembled_.weight_digests);
    assembled_.bytes_after = output_.weight_bytes;
  }

  void add_residuals() {
    if (job_.residual.budget.is_wanted()) {
      ResidualBudget& budget = assembled_.residual_budget.emplace();
      budget.text = "bytes_per_token 1000000";
      for (const LayerUnit& unit : prepared_.units) budget.k_chunk_of[unit.layer.name] = 32;
    }
    const auto contents = residual_contents(prepared_, work_, assembled_);
    output_.residual_bytes = add_shards(contents.tensors, format::kResidualStem, contents.metadata,
                                        assembled_.residual_digests);
    assembled_.residual_bytes = output_.residual_bytes;
  }

  /// Safetensors files with their index; returns the bytes of the former.
  std::uint64_t add_shards(const std::vector<model::TensorToWrite>& tensors, std::string_view stem,
                           const model::Metadata& metadata,
                           std::map<std::string, std::string>& digests) {
    const auto plan = model::plan_files(tensors, job_.output.max_shard_size, stem);
    for (const auto& tensor : tensors) assembled_.tensor_forms[tensor.name] = tensor.info.to_text();
    std::uint64_t bytes = 0;
    for (std::size_t s = 0; s < plan.names.size(); ++s) {
      add(plan.names[s], model::safetensors_file_bytes(tensors, plan.members[s], metadata));
      bytes += output_.files.back().bytes;
      digests[plan.names[s]] = std::string(64, '0');
    }
    if (plan.names.size() > 1) {
      add(model::index_file_name(stem), model::index_text(tensors, plan).size());
    }
    return bytes;
  }

  Scores some_scores() const {
    Scores scores;
    if (!job_.evaluation.is_wanted()) return scores;
    constexpr std::uint64_t kSomeWindows = 40;
    const auto length = static_cast<std::uint64_t>(job_.evaluation.context_length);
    const auto windows = static_cast<std::uint64_t>(job_.evaluation.windows);
    evaluation::Perplexity& score = scores.original.emplace();
    score.perplexity = kSomeScore;
    score.context_length = length;
    score.num_tokens = (windows > 0 ? windows : kSomeWindows) * (length - 1);
    scores.quantized = score;
    scores.divergence = kSomeError;
    return scores;
  }

  void add_papers() {
    const Scores scores = some_scores();
    add("README.md", model_card_of(prepared_, assembled_, scores).size());
    add(kGateFile, kGateBytes + (job_.residual.is_wanted() ? kGateResidualBytes : 0));
    RunReport report;
    report.bits_per_weight = output_.packed.bits_per_weight();
    report.mean_proxy_error = kSomeError;
    report.original = scores.original;
    report.quantized = scores.quantized;
    report.divergence = scores.divergence;
    const std::string some_digest(64, '0');
    std::map<std::string, format::FileRecord> records;
    for (const OutputFile& file : output_.files) records[file.name] = {file.bytes, some_digest};
    format::Manifest manifest = manifest_of(prepared_, assembled_, std::move(records));
    for (auto& [name, tensor] : manifest.tensors) tensor.sha256 = some_digest;
    manifest.scores = scores_json(report);
    add(format::kManifestName, format::manifest_text(manifest).size());
  }

  const PlannedModel& model_;
  const PreparedRun& prepared_;
  const QuantizeJob& job_;
  const WorkFolder& work_;
  AssembledModel assembled_;
  PlannedOutput output_;
};

}  // namespace

std::uint64_t PlannedOutput::total_bytes() const {
  std::uint64_t bytes = 0;
  for (const OutputFile& file : files) bytes += file.bytes;
  return bytes;
}

PlannedOutput plan_output(const PlannedModel& model, const WorkFolder& work) {
  return OutputPlan(model, work).make();
}

}  // namespace tessera::jobs
