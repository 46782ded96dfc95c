#include <cmath>

#include "linalg/cholesky.hpp"

namespace tessera::linalg {
namespace {

/// L with A = L L^T, row by row; nullopt when a pivot is no more than rounding.
std::optional<Matrix<double>> lower_factor(const Matrix<double>& a) {
  const std::size_t n = a.rows();
  Matrix<double> l(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double value = a(i, j);
      for (std::size_t t = 0; t < j; ++t) value -= l(i, t) * l(j, t);
      if (i == j && !(value > smallest_pivot(a(i, i), n))) return std::nullopt;
      l(i, j) = i == j ? std::sqrt(value) : value / l(j, j);
    }
  }
  return l;
}

/// Solves L L^T x = b for column @p column of b.
void solve_column(const Matrix<double>& l, Matrix<double>& b, std::size_t column) {
  const std::size_t n = l.rows();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t t = 0; t < i; ++t) b(i, column) -= l(i, t) * b(t, column);
    b(i, column) /= l(i, i);
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t t = i + 1; t < n; ++t) b(i, column) -= l(t, i) * b(t, column);
    b(i, column) /= l(i, i);
  }
}

}  // namespace

bool solve_positive_definite_reference(const Matrix<double>& a, Matrix<double>& b) {
  const auto l = lower_factor(a);
  if (!l) return false;
  for (std::size_t column = 0; column < b.cols(); ++column) solve_column(*l, b, column);
  return true;
}

std::optional<Matrix<double>> inverse_upper_factor_reference(const Matrix<double>& h) {
  const std::size_t n = h.rows();
  Matrix<double> inverse(n, n);
  for (std::size_t i = 0; i < n; ++i) inverse(i, i) = 1;
  if (!solve_positive_definite_reference(h, inverse)) return std::nullopt;
  const auto l = lower_factor(inverse);  // H^-1 = L L^T, so U = L^T
  if (!l) return std::nullopt;
  Matrix<double> u(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) u(i, j) = (*l)(j, i);
  }
  return u;
}

}  // namespace tessera::linalg
