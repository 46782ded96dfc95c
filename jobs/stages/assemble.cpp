#include "jobs/stages/assemble.hpp"

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "format/companion_files.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/recipes.hpp"
#include "jobs/stages/residual_files.hpp"
#include "jobs/stages/share_residuals.hpp"
#include "jobs/stages/write_shards.hpp"
#include "jobs/work_files.hpp"
#include "model/safetensors_index.hpp"

namespace tessera::jobs {
namespace {

LayerReport report_of(const LayerUnit& unit, const SolvedLayer& solved, StoredType stored_type) {
  LayerReport row;
  row.block = unit.layer.block;
  row.module = unit.layer.module;
  row.in_features = unit.layer.in_features;
  row.out_features = unit.layer.out_features;
  row.bits = solved.is_kept ? 8.0 * static_cast<double>(size_of(dtype_of(stored_type)))
                            : stored_bits_per_weight(solved.layer);
  row.proxy_error = solved.report.proxy_error;
  row.seconds = solved.seconds;
  row.damp_fraction = solved.report.damp_fraction;
  row.bias_gain = solved.report.bias_gain;
  row.num_dead_columns = solved.report.num_dead_columns;
  row.remarks = solved.report.remarks;
  row.is_degraded = solved.is_degraded();
  row.compensation = solved.compensation;
  row.ladder = solved.ladder;
  row.is_kept = solved.is_kept;
  return row;
}

void read_solved(const PreparedRun& prepared, const WorkFolder& work, AssembledModel& assembled) {
  Allocation allocation;
  if (prepared.job.quantize.budget.is_wanted()) {
    work.load(kAllocationFile, "allocation", allocation);
  }
  for (std::size_t u = 0; u < prepared.units.size(); ++u) {
    const LayerUnit& unit = prepared.units[u];
    const SolvedLayer solved = load_corrected(prepared, work, unit.layer);
    assembled.layers.push_back(report_of(unit, solved, prepared.job.output.dtype));
    if (!allocation.recipe.empty()) {
      assembled.layers.back().allocated = {recipe_text(unit), allocation.loss[u],
                                           allocation.own_loss[u]};
    }
    if (!solved.is_kept) assembled.sizes.add(unit.layer, solved.layer);
  }
  if (assembled.sizes.vptq.empty() && assembled.sizes.integers.empty()) {
    throw InputError(fmt::format(
        "no layer is quantized (all {} failed, and quantize.ladder.fallback keeps them; the first "
        "remark is: {}). Calibrate on more and other text, or check the model.",
        assembled.layers.size(), assembled.layers.front().remarks.front()));
  }
  assembled.sizes.declare_biases(prepared.config);
}

/// This rank's shards, whole; the digests of all of them on every rank.
void write_weights(RunContext& run, const PreparedRun& prepared, const WorkFolder& work,
                   AssembledShards& shards, const Path& folder, AssembledModel& assembled) {
  const OutputSettings& output = prepared.job.output;
  const EqualizedWeights weights(prepared, work);
  const format::PackedModel packed{.config = prepared.config,
                                   .original = *prepared.weights,
                                   .layers = packed_tensors(prepared, assembled.sizes, work),
                                   .changed = changed_tensors(prepared, assembled.sizes, weights),
                                   .stored_type = output.dtype,
                                   .store_tied_head = output.store_tied_head};
  const auto tensors = format::packed_model_tensors(packed);
  assembled.packed = format::packed_size(packed, tensors);
  WrittenShards written =
      write_shards(run, shards, folder, tensors, output.max_shard_size, model::kModelStem);
  assembled.weight_digests = std::move(written.digests);
  assembled.tensor_forms = std::move(written.forms);
  assembled.bytes_after = written.bytes;
}

void write_papers(const PreparedRun& prepared, const WorkFolder& work, const Path& folder,
                  const AssembledModel& assembled) {
  for (const auto& [file, text] : config_files(prepared, assembled.sizes))
    write_file_atomically(folder / file, text);
  format::copy_companion_files(prepared.job.model.path, folder);
  write_file_atomically(work.path("quant_log.csv"), quant_log_csv(assembled.layers));
}

}  // namespace

AssembledModel assemble(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  AssembledModel assembled;
  for (const auto& file : prepared.weights->files()) {
    assembled.bytes_before += std::filesystem::file_size(file.path());
  }
  cluster::agree_on(run.comm, [&] { read_solved(prepared, work, assembled); });
  assembled.residual_budget = share_residuals(run, prepared, work, assembled.layers);

  const Path folder = partial_folder(prepared.job.output.dir);
  cluster::on_first_rank(run.comm, [&] { make_partial_folder(prepared.job.output.dir); });
  AssembledShards shards =
      cluster::on_all_ranks(run.comm, [&] { return AssembledShards(prepared, work); });
  write_weights(run, prepared, work, shards, folder, assembled);
  write_residual_files(run, prepared, work, shards, folder, assembled);
  cluster::on_first_rank(run.comm, [&] { write_papers(prepared, work, folder, assembled); });
  work.refresh();  // other ranks' shards
  run.log.info(fmt::format("packed {} layers at {:.4f} bits a weight: {} became {}",
                           assembled.layers.size(), assembled.packed.bits_per_weight(),
                           bytes_text(static_cast<double>(assembled.bytes_before)),
                           bytes_text(static_cast<double>(assembled.bytes_after))));
  return assembled;
}

}  // namespace tessera::jobs
