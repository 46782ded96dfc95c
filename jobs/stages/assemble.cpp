#include "jobs/stages/assemble.hpp"

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "format/companion_files.hpp"
#include "format/vptq_config.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/work_files.hpp"
#include "model/safetensors_writer.hpp"

namespace tessera::jobs {
namespace {

SolvedLayer load_solved(const WorkFolder& work, const model::LinearLayer& layer) {
  SolvedLayer solved;
  work.load(solved_file(layer), "solved", solved);
  return solved;
}

/// As written: a permutation that the format absorbs is not stored.
double stored_bits_per_weight(const solver::VptqLayer& layer) {
  solver::VptqLayer sizes = format::sizes_of(layer);
  if (!format::writes_permutation(sizes, format::Permutation::absorbed)) sizes.perm.clear();
  return static_cast<double>(solver::stored_bits(sizes).total()) /
         static_cast<double>(layer.out_features * layer.in_features);
}

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
  row.num_dead_columns = solved.report.num_dead_columns;
  row.remarks = solved.report.remarks;
  row.is_degraded = solved.report.is_degraded;
  return row;
}

void read_solved(const PreparedRun& prepared, const WorkFolder& work, AssembledModel& assembled) {
  for (const LayerUnit& unit : prepared.units) {
    const SolvedLayer solved = load_solved(work, unit.layer);
    assembled.layers.push_back(report_of(unit, solved));
    assembled.sizes.emplace(unit.layer.name, format::sizes_of(solved.layer));
  }
}

format::LoadLayer loader_of(const PreparedRun& prepared, const WorkFolder& work) {
  return [&prepared, &work](const std::string& name) {
    for (const LayerUnit& unit : prepared.units) {
      if (unit.layer.name == name) return load_solved(work, unit.layer).layer;
    }
    throw Bug(name + " was never solved");
  };
}

void write_weights(const PreparedRun& prepared, const WorkFolder& work, const Path& folder,
                   AssembledModel& assembled) {
  const OutputSettings& output = prepared.job.output;
  const format::PackedModel packed{prepared.config,       *prepared.weights,
                                   assembled.sizes,       loader_of(prepared, work),
                                   output.dtype,          format::Permutation::absorbed,
                                   output.store_tied_head};
  const auto tensors = format::packed_model_tensors(packed);
  assembled.packed = format::packed_size(assembled.sizes, tensors);
  for (const auto& name : model::write_safetensors(folder, tensors, output.max_shard_size)) {
    const Path file = folder / name;
    if (file.extension() != ".safetensors") continue;
    assembled.weight_digests[name] = digest_of_file(file);
    assembled.bytes_after += std::filesystem::file_size(file);
  }
}

}  // namespace

AssembledModel assemble(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  AssembledModel assembled;
  for (const auto& file : prepared.weights->files()) {
    assembled.bytes_before += std::filesystem::file_size(file.path());
  }
  read_solved(prepared, work, assembled);

  const Path folder = make_partial_folder(prepared.job.output.dir);
  write_weights(prepared, work, folder, assembled);
  write_file_atomically(
      folder / "config.json",
      format::vptq_config_json(prepared.config, assembled.sizes, prepared.job.output.dtype));
  format::copy_companion_files(prepared.job.model.path, folder);
  write_file_atomically(work.path("quant_log.csv"), quant_log_csv(assembled.layers));
  run.log.info(fmt::format("packed {} layers at {:.4f} bits a weight: {} became {}",
                           assembled.layers.size(), assembled.packed.bits_per_weight(),
                           bytes_text(static_cast<double>(assembled.bytes_before)),
                           bytes_text(static_cast<double>(assembled.bytes_after))));
  return assembled;
}

}  // namespace tessera::jobs
