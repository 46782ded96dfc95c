#include "jobs/gate/check_layers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/compare.hpp"
#include "jobs/solve_layer.hpp"

namespace tessera::jobs {
namespace {

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
float tolerance_of(const solver::IntegerLayer&) {
  return 0;
}

double norm(MatrixView<const float> matrix) {
  double sum = 0;
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    for (const float value : matrix.row_span(i)) {
      sum += static_cast<double>(value) * static_cast<double>(value);
    }
  }
  return std::sqrt(sum);
}

void compare_values(const std::string& layer, const Matrix<float>& wanted,
                    const Matrix<float>& found, float allowed, Verdict& verdict) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::fabs(wanted.data()[i] - found.data()[i]) <= allowed) continue;
    verdict.add(
        "layers", layer,
        fmt::format("{} reads back as {} at row {}, column {} (solved was {}).", layer,
                    found.data()[i], i / wanted.cols(), i % wanted.cols(), wanted.data()[i]));
    return;
  }
}

/// |W - W'| moves by |W' - W''| <= allowed sqrt(size) at most; the sums in fp64 are made alike.
void compare_errors(const std::string& layer, const Matrix<float>& original,
                    const Matrix<float>& found, float allowed, double logged, Verdict& verdict) {
  const double error = difference(original, found).relative;
  const double size = norm(original);
  const double slack =
      static_cast<double>(allowed) * std::sqrt(static_cast<double>(found.size())) + 1e-14 * size;
  if (std::fabs(std::sqrt(error) - std::sqrt(logged)) * size <= slack) return;
  verdict.add("layers", layer,
              fmt::format("{} has an error of {:.9g} against the original (when it was solved it "
                          "was {:.9g}).",
                          layer, error, logged));
}

void check_layer(const LayerUnit& unit, const WorkFolder& work, const EqualizedWeights& original,
                 const model::TensorSource& packed, StoredType stored_type, Verdict& verdict) {
  const std::string& name = unit.layer.name;
  const SolvedLayer solved = load_solved(work, unit.layer);
  const Matrix<float> before =
      original.read_matrix(name + ".weight", unit.layer.out_features, unit.layer.in_features);
  const float allowed =
      solved.is_kept
          ? 0
          : std::visit([](const auto& layer) { return tolerance_of(layer); }, solved.layer);
  const Matrix<float> wanted =
      solved.is_kept ? as_stored(before, stored_type) : solver::dequantize(solved.layer);
  const Matrix<float> found = packed.read_matrix(name + ".weight", wanted.rows(), wanted.cols());
  compare_values(name, wanted, found, allowed, verdict);
  compare_errors(name, before, found, allowed, solved.weight_error, verdict);
}

}  // namespace

void check_layers(const PreparedRun& prepared, const WorkFolder& work,
                  const EqualizedWeights& original, const model::TensorSource& packed, Share share,
                  Verdict& verdict) {
  verdict.check("layers");
  for (std::size_t i = 0; i < prepared.units.size(); ++i) {
    if (!share.has(i)) continue;
    const LayerUnit& unit = prepared.units[i];
    ++verdict.check("layers").num_looked_at;
    try {
      check_layer(unit, work, original, packed, prepared.job.output.dtype, verdict);
    } catch (const InputError& error) {
      verdict.add("layers", unit.layer.name, error.what());
    }
  }
}

}  // namespace tessera::jobs
