#include "solver/prepared_hessian.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "linalg/cholesky.hpp"

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
              std::span<const std::uint32_t> perm, double damp_fraction, bool diagonal_only)
      : hessian_(hessian),
        scale_(scale),
        perm_(perm),
        mean_(mean_diagonal(hessian)),
        damp_(damp_fraction * (typical_diagonal(hessian) / mean_)),
        diagonal_only_(diagonal_only) {}

  /// Row @p p up to the diagonal.
  void fill_row(std::size_t p, std::span<double> out) const {
    for (std::size_t q = 0; q <= p; ++q) {
      const std::size_t i = std::max(perm_[p], perm_[q]), j = std::min(perm_[p], perm_[q]);
      const double value = hessian_(i, j) / mean_ + (p == q ? damp_ : 0.0);
      out[q] = diagonal_only_ && p != q ? 0.0 : value * scale_[i] * scale_[j];
    }
  }

 private:
  MatrixView<const double> hessian_;
  std::span<const float> scale_;
  std::span<const std::uint32_t> perm_;
  double mean_, damp_;
  bool diagonal_only_;
};

bool is_usable(const Matrix<float>& factor) {
  return std::ranges::all_of(factor.span(), [](float value) { return std::isfinite(value); });
}

/// The diagonal's own factor.
Matrix<float> diagonal_factor(const Transformed& diagonal, std::size_t n) {
  Matrix<float> factor(n, n);
  std::vector<double> row(n);
  for (std::size_t p = 0; p < n; ++p) {
    diagonal.fill_row(p, row);
    factor(p, p) = static_cast<float>(1.0 / std::sqrt(row[p]));
  }
  return factor;
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

PreparedHessian prepare_hessian(Threads& threads, MatrixView<const double> hessian,
                                std::span<const float> scale, std::span<const std::uint32_t> perm,
                                double damp_fraction) {
  PreparedHessian prepared;
  for (const double factor : {1.0, 10.0, 100.0}) {
    prepared.damp_fraction = damp_fraction * factor;
    const Transformed transformed(hessian, scale, perm, prepared.damp_fraction, false);
    auto upper = linalg::inverse_upper_factor_fp32(
        threads, hessian.rows,
        [&](std::size_t p, std::span<double> out) { transformed.fill_row(p, out); });
    if (!upper || !is_usable(*upper)) continue;
    if (factor > 1) {
      prepared.remarks.push_back(
          fmt::format("damping raised from {} to {} (the Hessian was not positive definite)",
                      damp_fraction, prepared.damp_fraction));
    }
    prepared.inverse_upper = std::move(*upper);
    return prepared;
  }
  prepared.is_diagonal = true;
  prepared.remarks.push_back(
      "only the Hessian's diagonal was used (it was not positive definite at any damping tried). "
      "Calibrate on more samples or raise quantize.dampening_frac");
  prepared.damp_fraction = std::fmax(damp_fraction, 0.01);
  const Transformed diagonal(hessian, scale, perm, prepared.damp_fraction, true);
  prepared.inverse_upper = diagonal_factor(diagonal, hessian.rows);
  return prepared;
}

Matrix<float> prepared_square(const PreparedHessian& prepared, MatrixView<const double> hessian,
                              std::span<const float> scale, std::span<const std::uint32_t> perm) {
  const std::size_t n = hessian.rows;
  const Transformed transformed(hessian, scale, perm, prepared.damp_fraction, prepared.is_diagonal);
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
