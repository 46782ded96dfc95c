#include "solver/layer_problem.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "linalg/gemm.hpp"
#include "solver/full_square.hpp"

namespace tessera::solver {
namespace {

constexpr std::size_t kRowTile = 64;

/// What scales a Hessian to a mean diagonal of 1, so that fp32 products stay in range.
double scale_of(MatrixView<const double> lower) {
  double trace = 0;
  for (std::size_t j = 0; j < lower.rows; ++j) trace += lower(j, j);
  return trace > 0 ? static_cast<double>(lower.rows) / trace : 1.0;
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

OutputError output_error(Threads& threads, const LayerProblem& problem,
                         MatrixView<const float> dequantized) {
  const auto weight = problem.weight;
  require(dequantized.rows == weight.rows && dequantized.cols == weight.cols,
          "the dequantized weights have another shape than the weights");
  require(problem.hessian.rows == weight.cols, "the Hessian does not fit the weights");
  const double scale = scale_of(problem.hessian);
  const Matrix<float> hessian = full_square(problem.hessian, scale);
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
  OutputError total;
  for (std::size_t t = 0; t < tiles; ++t) {
    total.error += error[t];
    total.output += norm[t];
  }
  return {std::fmax(total.error, 0.0) / scale, total.output / scale};
}

double relative_proxy_error(Threads& threads, const LayerProblem& problem,
                            MatrixView<const float> dequantized) {
  const OutputError found = output_error(threads, problem, dequantized);
  if (found.output > 0) return found.error / found.output;
  return found.error > 0 ? std::numeric_limits<double>::infinity() : 0.0;
}

}  // namespace tessera::solver
