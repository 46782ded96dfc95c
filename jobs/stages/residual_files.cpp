#include "jobs/stages/residual_files.hpp"

#include <set>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/residual_info.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/settings/describe_job.hpp"
#include "jobs/stages/write_shards.hpp"

namespace tessera::jobs {
namespace {

using SizesByLayer = std::map<std::string, format::ResidualSizes>;

/// @param kept layers that lost nothing, since they are not quantized
SizesByLayer sizes_of(const PreparedRun& prepared, const std::set<std::string>& kept = {}) {
  SizesByLayer sizes;
  for (const LayerUnit& unit : prepared.units) {
    if (kept.contains(unit.layer.name)) continue;
    sizes[unit.layer.name] = {unit.layer.out_features, unit.layer.in_features,
                              static_cast<std::uint64_t>(prepared.job.residual.bits)};
  }
  return sizes;
}

format::ResidualInfo info_of(const PreparedRun& prepared, const AssembledModel& assembled) {
  format::ResidualInfo info;
  info.bits = static_cast<std::uint64_t>(prepared.job.residual.bits);
  info.base_method = name_of_value(prepared.job.quantize.method);
  info.base_digest = format::base_digest_of(assembled.weight_digests);
  info.calibration = fmt::format("{} samples of {} tokens, text {}", prepared.num_samples(),
                                 prepared.sample_length(), prepared.calibration_tokens.text_digest);
  info.k_chunk = static_cast<std::uint64_t>(prepared.job.residual.k_chunk);
  if (assembled.residual_budget) {
    info.budget = assembled.residual_budget->text;
    info.k_chunk_of = assembled.residual_budget->k_chunk_of;
  }
  return info;
}

}  // namespace

void require_residual_sizes(const PreparedRun& prepared) {
  if (!prepared.job.residual.is_wanted()) return;
  for (const auto& [layer, sizes] : sizes_of(prepared)) {
    for (const std::string& problem : format::residual_problems(sizes)) {
      throw InputError(fmt::format("{}: {}", layer, problem));
    }
  }
}

ResidualContents residual_contents(const PreparedRun& prepared, const WorkFolder& work,
                                   const AssembledModel& assembled) {
  const auto load = [&prepared, &work](const std::string& name) {
    return load_solved(work, layer_named(prepared, name)).residual;
  };
  std::set<std::string> kept;
  for (std::size_t l = 0; l < assembled.layers.size(); ++l) {
    if (assembled.layers[l].is_kept) kept.insert(prepared.units[l].layer.name);
  }
  return {format::residual_tensors(sizes_of(prepared, kept), load),
          format::metadata_of(info_of(prepared, assembled))};
}

void write_residual_files(RunContext& run, const PreparedRun& prepared, const WorkFolder& work,
                          AssembledShards& shards, const Path& folder, AssembledModel& assembled) {
  if (!prepared.job.residual.is_wanted()) return;
  const auto contents = residual_contents(prepared, work, assembled);
  WrittenShards written =
      write_shards(run, shards, folder, contents.tensors, prepared.job.output.max_shard_size,
                   format::kResidualStem, contents.metadata);
  assembled.residual_digests = std::move(written.digests);
  assembled.tensor_forms.merge(written.forms);
  assembled.residual_bytes = written.bytes;
}

}  // namespace tessera::jobs
