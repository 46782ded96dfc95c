#include "solver/prepared_hessian.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "linalg/cholesky.hpp"
#include "solver/layer_failure.hpp"

namespace tessera::solver {
namespace {

double mean_diagonal(MatrixView<const double> hessian) {
  double trace = 0;
  for (std::size_t j = 0; j < hessian.rows; ++j) trace += hessian(j, j);
  const double mean = trace / static_cast<double>(hessian.rows);
  return mean > 0 ? mean : 1.0;  // a layer that saw no input at all: damping alone remains
}

/// What damping is a share of: the mean of the diagonal, its largest hundredth left out, but at
/// least a fifth of the plain mean. One channel of massive activations can hold nearly all of the
/// trace (99.8 % in a layer of SmolLM2), and a share of the plain mean would drown all other
/// channels; hardly any damping, though, costs perplexity.
double typical_diagonal(MatrixView<const double> hessian) {
  constexpr double kLeastShare = 0.2;
  std::vector<double> diagonal(hessian.rows);
  for (std::size_t j = 0; j < hessian.rows; ++j) diagonal[j] = hessian(j, j);
  std::ranges::sort(diagonal);
  const std::size_t num_kept = diagonal.size() - diagonal.size() / 100;
  double sum = 0;
  for (std::size_t j = 0; j < num_kept; ++j) sum += diagonal[j];
  const double mean = mean_diagonal(hessian);
  return sum > 0 ? std::max(sum / static_cast<double>(num_kept), kLeastShare * mean) : mean;
}

/// S (H / mean + damp I) S by position, in fp64, full square.
Matrix<double> transform(MatrixView<const double> hessian, std::span<const float> scale,
                         std::span<const std::uint32_t> perm, double damp) {
  const std::size_t n = hessian.rows;
  const double mean = mean_diagonal(hessian);
  damp *= typical_diagonal(hessian) / mean;
  Matrix<double> result(n, n);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t q = 0; q <= p; ++q) {
      const std::size_t i = std::max(perm[p], perm[q]), j = std::min(perm[p], perm[q]);
      const double value = hessian(i, j) / mean + (p == q ? damp : 0.0);
      result(p, q) = result(q, p) = value * scale[i] * scale[j];
    }
  }
  return result;
}

Matrix<float> in_fp32(const Matrix<double>& a) {
  Matrix<float> b(a.rows(), a.cols());
  for (std::size_t k = 0; k < a.size(); ++k) b.data()[k] = static_cast<float>(a.data()[k]);
  return b;
}

bool is_usable(const Matrix<double>& factor) {
  for (const double value : factor.span()) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

std::size_t count_dead_columns(MatrixView<const double> hessian) {
  std::size_t dead = 0;
  for (std::size_t j = 0; j < hessian.rows; ++j) dead += hessian(j, j) == 0.0 ? 1 : 0;
  return dead;
}

std::vector<double> column_importance(MatrixView<const double> hessian, std::span<const float> scale,
                                      double damp_fraction) {
  const double mean = mean_diagonal(hessian);
  const double damp = damp_fraction * typical_diagonal(hessian) / mean;
  std::vector<double> importance(hessian.rows);
  for (std::size_t j = 0; j < hessian.rows; ++j) {
    const double s = scale[j];
    importance[j] = (hessian(j, j) / mean + damp) * s * s;
  }
  return importance;
}

PreparedHessian prepare_hessian(MatrixView<const double> hessian, std::span<const float> scale,
                                std::span<const std::uint32_t> perm, double damp_fraction) {
  const Matrix<double> square = transform(hessian, scale, perm, damp_fraction);
  const auto upper = linalg::inverse_upper_factor(square);
  if (!upper || !is_usable(*upper)) {
    throw LayerFailure(
        fmt::format("the Hessian is not positive definite at a dampening of {}", damp_fraction));
  }
  return {in_fp32(square), in_fp32(*upper)};
}

}  // namespace tessera::solver
