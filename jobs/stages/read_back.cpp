#include "jobs/stages/read_back.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/work_files.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

/// Largest magnitude of a sum, product and sum of this layer, for the tolerance.
float largest(std::span<const float> values) {
  float magnitude = 0;
  for (const float value : values) magnitude = std::max(magnitude, std::fabs(value));
  return magnitude;
}

/// (main + residual) * scale + bias: three roundings in fp32, some of which a fused operation
/// saves; each is half a unit in the last place of a value no larger than the terms.
float tolerance_of(const solver::VptqLayer& layer) {
  const float codes = largest(layer.centroids.span()) + largest(layer.res_centroids.span());
  const float outliers = largest(layer.outlier_centroids.span());
  const float scale = layer.scale.empty() ? 1.0F : largest(layer.scale);
  const float bias = largest(layer.bias);
  return 3 * std::numeric_limits<float>::epsilon() * (std::max(codes, outliers) * scale + bias);
}

/// One product of an integer and a scale, rounded once by everybody.
float tolerance_of(const solver::IntegerLayer&) { return 0; }

/// As a tensor that is not packed is written.
Matrix<float> kept_weights(const PreparedRun& prepared, const LayerUnit& unit,
                           const EqualizedWeights& weights) {
  auto kept = weights.read_matrix(unit.layer.name + ".weight", unit.layer.out_features,
                                  unit.layer.in_features);
  for (float& value : kept.span()) value = rounded_to(prepared.job.output.dtype, value);
  return kept;
}

void compare_layer(const PreparedRun& prepared, const LayerUnit& unit,
                   const EqualizedWeights& weights, const model::TensorSource& packed,
                   const WorkFolder& work, std::vector<std::string>& damage) {
  SolvedLayer solved;
  work.load(solved_file(unit.layer), "solved", solved);
  const Matrix<float> wanted =
      solved.is_kept ? kept_weights(prepared, unit, weights) : solver::dequantize(solved.layer);
  const Matrix<float> found =
      packed.read_matrix(unit.layer.name + ".weight", wanted.rows(), wanted.cols());
  const float allowed =
      solved.is_kept
          ? 0
          : std::visit([](const auto& layer) { return tolerance_of(layer); }, solved.layer);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::fabs(wanted.data()[i] - found.data()[i]) <= allowed) continue;
    damage.push_back(fmt::format("{} reads back as {} at row {}, column {} (solved was {})",
                                 unit.layer.name, found.data()[i], i / wanted.cols(),
                                 i % wanted.cols(), wanted.data()[i]));
    return;
  }
}

void read_plain(const model::NamedShape& tensor, const model::TensorSource& packed) {
  if (tensor.shape.size() == 1) {
    packed.read_vector(tensor.name, tensor.shape[0]);
  } else {
    packed.read_matrix(tensor.name, tensor.shape[0], tensor.shape[1]);
  }
}

}  // namespace

std::vector<std::string> find_damage(const PreparedRun& prepared, const model::TensorSource& packed,
                                     const WorkFolder& work, std::size_t rank,
                                     std::size_t num_ranks) {
  std::vector<std::string> damage;
  std::set<std::string> solved;
  for (const LayerUnit& unit : prepared.units) solved.insert(unit.layer.name + ".weight");
  std::size_t index = 0;
  for (const auto& tensor : model::expected_tensors(prepared.config)) {
    if (solved.contains(tensor.name) || index++ % num_ranks != rank) continue;
    try {
      read_plain(tensor, packed);
    } catch (const InputError& error) {
      damage.push_back(error.what());
    }
  }
  const EqualizedWeights weights(prepared, work);
  for (std::size_t i = rank; i < prepared.units.size(); i += num_ranks) {
    const LayerUnit& unit = prepared.units[i];
    try {
      compare_layer(prepared, unit, weights, packed, work, damage);
    } catch (const InputError& error) {
      damage.push_back(error.what());
    }
  }
  return damage;
}

}  // namespace tessera::jobs
