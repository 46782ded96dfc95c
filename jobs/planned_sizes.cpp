#include "jobs/planned_sizes.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "solver/integer/input_range.hpp"
#include "solver/vptq/column_layout.hpp"

namespace tessera::jobs {
namespace {

/// Sizes of codebooks.
solver::VptqLayer vptq_sizes(const LayerUnit& unit, StoredType stored_type) {
  const std::vector<double> alike(unit.layer.in_features, 1.0);
  solver::ColumnLayout layout;
  try {
    layout = solver::lay_out_columns(unit.layer.out_features, alike, unit.vptq());
  } catch (const InputError& error) {
    throw InputError(unit.layer.name + ": " + error.what());
  }
  const solver::Segment& group = layout.segments.back();
  solver::VptqLayer sizes;
  sizes.out_features = unit.layer.out_features;
  sizes.in_features = unit.layer.in_features;
  sizes.vector_len = group.vector_len;
  sizes.num_centroids = group.num_centroids;
  sizes.num_res_centroids = group.num_res_centroids;
  sizes.num_groups = static_cast<std::uint64_t>(unit.vptq().num_groups);
  sizes.group_size = layout.group_size;
  sizes.outlier_size = layout.outlier_size;
  sizes.stored_type = stored_type;
  if (layout.outlier_size > 0) {
    sizes.outlier_vector_len = layout.segments.front().vector_len;
    sizes.num_outlier_centroids = layout.segments.front().num_centroids;
  }
  if (unit.vptq().permute) sizes.perm = std::move(layout.perm);
  return sizes;
}

solver::IntegerLayer integer_sizes(const LayerUnit& unit, StoredType stored_type) {
  const solver::IntegerSettings& settings = unit.aweq().integers;
  const bool has_groups = settings.effective_granularity() == solver::Granularity::group;
  solver::IntegerLayer sizes;
  sizes.out_features = unit.layer.out_features;
  sizes.in_features = unit.layer.in_features;
  sizes.bits = static_cast<std::uint64_t>(settings.bits());
  sizes.group_size = has_groups
                         ? std::min<std::uint64_t>(static_cast<std::uint64_t>(settings.group_size),
                                                   sizes.in_features)
                         : sizes.in_features;
  sizes.is_symmetric = settings.symmetric;
  sizes.scale_type = stored_type;
  if (settings.quantizes_input())
    sizes.input = solver::static_input(0, 0, settings.input_scale, stored_type);
  sizes.has_bias = unit.layer.has_bias;
  return sizes;
}

}  // namespace

solver::QuantizedLayer planned_sizes(const LayerUnit& unit, StoredType stored_type) {
  if (unit.makes_integers()) return integer_sizes(unit, stored_type);
  return vptq_sizes(unit, stored_type);
}

StoredType scale_type(const OutputSettings& output) {
  return output.format == OutputFormat::gptq ? StoredType::float16 : output.dtype;
}

}  // namespace tessera::jobs
