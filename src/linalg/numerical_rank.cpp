#include "linalg/numerical_rank.hpp"

#include <cmath>
#include <vector>

namespace tessera::linalg {
namespace {

/// H with a diagonal of ones, full; rows that are zero there are left out.
Matrix<double> scaled_to_ones(MatrixView<const double> h) {
  std::vector<std::size_t> live;
  for (std::size_t j = 0; j < h.rows; ++j) {
    if (h(j, j) > 0) live.push_back(j);
  }
  Matrix<double> a(live.size(), live.size());
  for (std::size_t i = 0; i < live.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      a(i, j) = a(j, i) =
          h(live[i], live[j]) / std::sqrt(h(live[i], live[i]) * h(live[j], live[j]));
    }
  }
  return a;
}

}  // namespace

std::size_t numerical_rank(MatrixView<const double> h, double tolerance) {
  const Matrix<double> a = scaled_to_ones(h);
  const std::size_t n = a.rows();
  std::vector<double> remaining(n, 1.0);  // the diagonal of what is not yet explained
  Matrix<double> factor(n, n);            // row k: the factor's column k
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = 0;
    for (std::size_t j = 1; j < n; ++j) {
      if (remaining[j] > remaining[pivot]) pivot = j;
    }
    if (!(remaining[pivot] > tolerance)) return k;
    double* column = factor.row(k);
    for (std::size_t j = 0; j < n; ++j) column[j] = a(pivot, j);
    for (std::size_t l = 0; l < k; ++l) {
      const double* earlier = factor.row(l);
      const double weight = earlier[pivot];
      for (std::size_t j = 0; j < n; ++j) column[j] -= weight * earlier[j];
    }
    const double root = std::sqrt(remaining[pivot]);
    for (std::size_t j = 0; j < n; ++j) {
      column[j] /= root;
      remaining[j] -= column[j] * column[j];
    }
    remaining[pivot] = 0;
  }
  return n;
}

}  // namespace tessera::linalg
