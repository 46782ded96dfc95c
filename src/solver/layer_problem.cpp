#include "solver/layer_problem.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "linalg/gemm.hpp"
#include "solver/full_square.hpp"

namespace tessera::solver {
namespace {

constexpr std::size_t kRowTile = 64;

/// The full square in fp32, scaled to a mean diagonal of 1 so that products stay in range.
Matrix<float> scaled_square(MatrixView<const double> lower) {
  double trace = 0;
  for (std::size_t j = 0; j < lower.rows; ++j) trace += lower(j, j);
  const double scale = trace > 0 ? static_cast<double>(lower.rows) / trace : 1.0;
  return full_square(lower, scale);
}

/// tr(X H X^T) of some rows.
double quadratic_form(MatrixView<const float> x, const Matrix<float>& hessian) {
  Matrix<float> product(x.rows, x.cols);
  linalg::gemm(1, x, linalg::Transposed::no, hessian, linalg::Transposed::no, 0, product);
  double sum = 0;
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) sum += static_cast<double>(x(i, j)) * product(i, j);
  }
  return sum;
}

}  // namespace

double relative_proxy_error(Threads& threads, const LayerProblem& problem,
                            MatrixView<const float> dequantized) {
  const auto weight = problem.weight;
  require(dequantized.rows == weight.rows && dequantized.cols == weight.cols,
          "the dequantized weights have another shape than the weights");
  require(problem.hessian.rows == weight.cols, "the Hessian does not fit the weights");
  const Matrix<float> hessian = scaled_square(problem.hessian);
  const std::size_t tiles = num_tiles(weight.rows, kRowTile);
  std::vector<double> error(tiles), norm(tiles);
  threads.for_each(tiles, [&](std::size_t t) {
    const Tile rows = tile_at(t, kRowTile, weight.rows);
    const auto original = weight.middle_rows(rows.begin, rows.size());
    Matrix<float> difference(rows.size(), weight.cols);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < weight.cols; ++j) {
        difference(i, j) = original(i, j) - dequantized(rows.begin + i, j);
      }
    }
    error[t] = quadratic_form(difference, hessian);
    norm[t] = quadratic_form(original, hessian);
  });
  double total_error = 0, total_norm = 0;
  for (std::size_t t = 0; t < tiles; ++t) {
    total_error += error[t];
    total_norm += norm[t];
  }
  if (total_norm > 0) return std::fmax(total_error, 0.0) / total_norm;
  return total_error > 0 ? std::numeric_limits<double>::infinity() : 0.0;
}

}  // namespace tessera::solver
