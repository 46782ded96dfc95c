#include "solver/prepared_hessian.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
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

/// S (H / mean + damp I) S by position.
class Transformed {
 public:
  Transformed(MatrixView<const double> hessian, std::span<const float> scale,
              std::span<const std::uint32_t> perm, double damp_fraction)
      : hessian_(hessian),
        scale_(scale),
        perm_(perm),
        mean_(mean_diagonal(hessian)),
        damp_(damp_fraction * (typical_diagonal(hessian) / mean_)) {}

  /// Row @p p up to the diagonal.
  void fill_row(std::size_t p, std::span<double> out) const {
    for (std::size_t q = 0; q <= p; ++q) {
      const std::size_t i = std::max(perm_[p], perm_[q]), j = std::min(perm_[p], perm_[q]);
      const double value = hessian_(i, j) / mean_ + (p == q ? damp_ : 0.0);
      out[q] = value * scale_[i] * scale_[j];
    }
  }

 private:
  MatrixView<const double> hessian_;
  std::span<const float> scale_;
  std::span<const std::uint32_t> perm_;
  double mean_, damp_;
};

bool is_usable(const Matrix<float>& factor) {
  return std::ranges::all_of(factor.span(), [](float value) { return std::isfinite(value); });
}

}  // namespace

std::size_t count_dead_columns(MatrixView<const double> hessian) {
  std::size_t dead = 0;
  for (std::size_t j = 0; j < hessian.rows; ++j) dead += hessian(j, j) == 0.0 ? 1 : 0;
  return dead;
}

std::vector<double> column_importance(MatrixView<const double> hessian,
                                      std::span<const float> scale, double damp_fraction) {
  const double mean = mean_diagonal(hessian);
  const double damp = damp_fraction * typical_diagonal(hessian) / mean;
  std::vector<double> importance(hessian.rows);
  for (std::size_t j = 0; j < hessian.rows; ++j) {
    const double s = scale[j];
    importance[j] = (hessian(j, j) / mean + damp) * s * s;
  }
  return importance;
}

Matrix<float> prepared_inverse_upper(Threads& threads, MatrixView<const double> hessian,
                                     std::span<const float> scale,
                                     std::span<const std::uint32_t> perm, double damp_fraction) {
  const Transformed transformed(hessian, scale, perm, damp_fraction);
  auto upper = linalg::inverse_upper_factor_fp32(
      threads, hessian.rows,
      [&](std::size_t p, std::span<double> out) { transformed.fill_row(p, out); });
  if (!upper || !is_usable(*upper)) {
    throw LayerFailure(
        fmt::format("the Hessian is not positive definite at a dampening of {}", damp_fraction));
  }
  return std::move(*upper);
}

Matrix<float> prepared_square(MatrixView<const double> hessian, std::span<const float> scale,
                              std::span<const std::uint32_t> perm, double damp_fraction) {
  const std::size_t n = hessian.rows;
  const Transformed transformed(hessian, scale, perm, damp_fraction);
  Matrix<float> square(n, n);
  std::vector<double> row(n);
  for (std::size_t p = 0; p < n; ++p) {
    transformed.fill_row(p, row);
    for (std::size_t q = 0; q <= p; ++q) {
      square(p, q) = square(q, p) = static_cast<float>(row[q]);
    }
  }
  return square;
}

}  // namespace tessera::solver
