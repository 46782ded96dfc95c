#include "jobs/stages/assemble.hpp"

#include <sstream>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "format/companion_files.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/stages/residual_files.hpp"
#include "jobs/work_files.hpp"
#include "model/safetensors_writer.hpp"

namespace tessera::jobs {
namespace {

LayerReport report_of(const LayerUnit& unit, const SolvedLayer& solved) {
  LayerReport row;
  row.block = unit.layer.block;
  row.module = unit.layer.module;
  row.in_features = unit.layer.in_features;
  row.out_features = unit.layer.out_features;
  row.bits = stored_bits_per_weight(solved.layer);
  row.proxy_error = solved.report.proxy_error;
  row.seconds = solved.seconds;
  row.damp_fraction = solved.report.damp_fraction;
  row.bias_gain = solved.report.bias_gain;
  row.num_dead_columns = solved.report.num_dead_columns;
  row.remarks = solved.report.remarks;
  row.is_degraded = solved.report.is_degraded;
  return row;
}

void read_solved(const PreparedRun& prepared, const WorkFolder& work, AssembledModel& assembled) {
  for (const LayerUnit& unit : prepared.units) {
    const SolvedLayer solved = load_solved(work, unit.layer);
    assembled.layers.push_back(report_of(unit, solved));
    assembled.sizes.add(unit.layer, solved.layer);
  }
  assembled.sizes.declare_biases(prepared.config);
}

/// This rank's shards, whole; the digests of all of them on every rank.
void write_weights(RunContext& run, const PreparedRun& prepared, const WorkFolder& work,
                   const Path& folder, AssembledModel& assembled) {
  const OutputSettings& output = prepared.job.output;
  const EqualizedWeights weights(prepared, work);
  const format::PackedModel packed{
      .config = prepared.config,
      .original = *prepared.weights,
      .layers = packed_tensors(prepared, assembled.sizes, work),
      .changed = changed_tensors(prepared, assembled.sizes, weights),
      .stored_type = output.dtype,
      .store_tied_head = output.store_tied_head};
  const auto tensors = format::packed_model_tensors(packed);
  assembled.packed = format::packed_size(packed, tensors);
  const model::ShardedFiles files = model::plan_files(tensors, output.max_shard_size);
  std::string mine;  // "name digest bytes" lines
  cluster::agree_on(run.comm, [&] {
    for (std::size_t s = run.comm.rank(); s < files.names.size(); s += run.comm.size()) {
      const Path file = folder / files.names[s];
      model::write_safetensors_file(file, tensors, files.members[s]);
      mine += fmt::format("{} {} {}\n", files.names[s], digest_of_file(file),
                          std::filesystem::file_size(file));
    }
  });
  for (const std::string& of_rank : run.comm.all_gather(mine)) {
    std::istringstream lines(of_rank);
    std::string name, digest;
    std::uint64_t bytes = 0;
    while (lines >> name >> digest >> bytes) {
      assembled.weight_digests[name] = digest;
      assembled.bytes_after += bytes;
    }
  }
  cluster::on_first_rank(run.comm, [&] { model::write_index(folder, tensors, files); });
}

void write_papers(const PreparedRun& prepared, const WorkFolder& work, const Path& folder,
                  const AssembledModel& assembled) {
  for (const auto& [file, text] : config_files(prepared, assembled.sizes)) write_file_atomically(folder / file, text);
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

  const Path folder = partial_folder(prepared.job.output.dir);
  cluster::on_first_rank(run.comm, [&] { make_partial_folder(prepared.job.output.dir); });
  write_weights(run, prepared, work, folder, assembled);
  write_residual_files(run, prepared, work, folder, assembled);
  cluster::on_first_rank(run.comm, [&] { write_papers(prepared, work, folder, assembled); });
  run.log.info(fmt::format("packed {} layers at {:.4f} bits a weight: {} became {}",
                           assembled.layers.size(), assembled.packed.bits_per_weight(),
                           bytes_text(static_cast<double>(assembled.bytes_before)),
                           bytes_text(static_cast<double>(assembled.bytes_after))));
  return assembled;
}

}  // namespace tessera::jobs
