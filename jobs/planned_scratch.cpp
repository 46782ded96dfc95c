#include "jobs/planned_scratch.hpp"

#include <algorithm>

#include "jobs/block_sums.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/planned_sizes.hpp"

namespace tessera::jobs {
namespace {

using Bytes = std::uint64_t;

/// Headers, checksums and the seal of a file with one array, and with a layer's two dozen.
constexpr Bytes kArrayOverhead = 5'000, kLayerOverhead = 14'600;
/// Journals, reports, logs: of the run, and a line or two for each layer.
constexpr Bytes kPapers = 40'000, kPapersOfLayer = 1'500;

Bytes layer_bytes(const solver::VptqLayer& l, bool keeps_permutation) {
  const auto rows = [&](Bytes length) { return (l.out_features + length - 1) / length; };
  const Bytes columns = l.in_features - l.outlier_size;
  const Bytes indices = sizeof(std::uint16_t) * rows(l.vector_len) * columns;
  const Bytes entries = l.num_groups * (l.num_centroids + l.num_res_centroids) * l.vector_len;
  Bytes bytes = (l.num_res_centroids > 0 ? 2 : 1) * indices + sizeof(float) * entries +
                2 * sizeof(float) * l.in_features;
  if (keeps_permutation) bytes += sizeof(std::uint32_t) * l.in_features;
  if (l.outlier_size > 0) {
    bytes += sizeof(std::uint16_t) * rows(l.outlier_vector_len) * l.outlier_size +
             sizeof(float) * l.num_outlier_centroids * l.outlier_vector_len;
  }
  return bytes;
}

Bytes layer_bytes(const solver::IntegerLayer& l) {
  const Bytes groups = l.out_features * ((l.in_features + l.group_size - 1) / l.group_size);
  return l.out_features * l.in_features + (sizeof(float) + 1) * groups +
         (l.has_bias ? sizeof(float) * l.out_features : 0);
}

Bytes layer_bytes(const PreparedRun& prepared, const LayerUnit& unit) {
  const auto planned = planned_sizes(unit, scale_type(prepared.job.output));
  if (const auto* integers = std::get_if<solver::IntegerLayer>(&planned))
    return layer_bytes(*integers);
  const auto& codebooks = std::get<solver::VptqLayer>(planned);
  const bool is_absorbed = codebooks.num_groups == 1 && codebooks.outlier_size == 0;
  return layer_bytes(codebooks, !is_absorbed);
}

Bytes equalization_bytes(const PreparedRun& prepared, std::size_t block) {
  Bytes bytes = kLayerOverhead;
  for (const auto& role : roles_of_block(prepared.units, block)) {
    if (balanced_as(role) == role) bytes += sizeof(float) * channels_of(prepared.config, role);
  }
  return bytes;
}

}  // namespace

std::uint64_t solved_file_bytes(const PreparedRun& prepared, const LayerUnit& unit) {
  const Bytes m = unit.layer.out_features, n = unit.layer.in_features;
  Bytes bytes = kLayerOverhead + layer_bytes(prepared, unit);
  if (prepared.job.residual.is_wanted()) bytes += m * n + sizeof(float) * (m + 3 * n);
  return bytes;
}

std::uint64_t hidden_bytes(const PreparedRun& prepared) {
  return sizeof(float) * Bytes{prepared.num_samples()} * prepared.sample_length() *
         prepared.config.hidden_size;
}

std::uint64_t text_bytes(const std::vector<Path>& texts) {
  Bytes bytes = 0;
  for (const Path& text : texts) {
    std::error_code error;
    const auto size = std::filesystem::file_size(text, error);
    if (!error) bytes += size;
  }
  return bytes;
}

PlannedScratch plan_scratch(const PreparedRun& prepared) {
  const auto shards = static_cast<std::size_t>(prepared.job.calibration.num_shards);
  PlannedScratch scratch;
  // A token of four bytes stands for about four of text.
  scratch.tokens_bytes = text_bytes(prepared.job.calibration.text);
  if (!prepared.job.evaluation.text.empty()) {
    scratch.tokens_bytes += text_bytes({prepared.job.evaluation.text});
  }
  scratch.hidden_bytes = hidden_bytes(prepared) + shards * kArrayOverhead;
  std::size_t num_statistics = 0, num_solved = prepared.units.size();
  const auto blocks = blocks_of(prepared.units);
  for (const std::size_t block : blocks) {
    const auto slabs = slab_files(prepared.config, prepared.units, block, prepared.extras);
    num_statistics += slabs.size();
    for (const SlabFile& slab : slabs) {
      scratch.statistics_bytes += sizeof(double) * slab.range.size() + kArrayOverhead;
    }
    if (!equalizes(prepared.job.quantize)) continue;
    scratch.solved_bytes += equalization_bytes(prepared, block);
    ++num_solved;
  }
  for (const LayerUnit& unit : prepared.units) {
    scratch.solved_bytes += solved_file_bytes(prepared, unit);
  }
  Bytes corrected_bytes = 0;
  if (corrects_in_order(prepared.units)) {
    for (const LayerUnit& unit : prepared.units) {
      corrected_bytes += sizeof(float) * unit.layer.out_features;
    }
    corrected_bytes += kLayerOverhead * blocks.size();
    num_solved += blocks.size();
  }
  const bool has_hidden = blocks.back() > 0;  // the last block walked through leaves none
  const std::size_t num_hidden = blocks.back() > 1 ? 2 : (has_hidden ? 1 : 0);
  scratch.peak_bytes = scratch.tokens_bytes + scratch.statistics_bytes + kPapers +
                       kPapersOfLayer * prepared.units.size() +
                       std::max(num_hidden * scratch.hidden_bytes, scratch.solved_bytes);
  if (corrected_bytes > 0) {  // beside solved layers, the states of both models
    scratch.solved_bytes += corrected_bytes;
    scratch.peak_bytes = scratch.tokens_bytes + scratch.statistics_bytes + kPapers +
                         kPapersOfLayer * prepared.units.size() + scratch.solved_bytes +
                         2 * num_hidden * scratch.hidden_bytes;
  }
  scratch.num_files = num_statistics + std::max(num_hidden * shards, num_solved);
  return scratch;
}

std::uint64_t reduction_bytes(const PreparedRun& prepared, std::size_t num_ranks) {
  const auto shards = static_cast<std::size_t>(prepared.job.calibration.num_shards);
  Bytes bytes = 0;
  for (const std::size_t block : blocks_of(prepared.units)) {
    const auto slabs = slab_files(prepared.config, prepared.units, block, prepared.extras);
    const auto owners = slab_owners(slabs, num_ranks);
    Bytes all = 0;
    std::vector<Bytes> own(num_ranks);
    for (std::size_t s = 0; s < slabs.size(); ++s) {
      all += slabs[s].range.size();
      own[owners[s]] += slabs[s].range.size();
    }
    for (std::size_t shard = 0; shard < shards; ++shard) bytes += all - own[shard % num_ranks];
  }
  return sizeof(double) * bytes;
}

}  // namespace tessera::jobs
