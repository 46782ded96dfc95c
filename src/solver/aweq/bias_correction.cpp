#include "solver/aweq/bias_correction.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/gemm.hpp"
#include "solver/full_square.hpp"

namespace tessera::solver {
namespace {

constexpr std::size_t kRowTile = 64;

}  // namespace

CorrectedBias correct_mean_error(std::span<const double> mean, std::span<const double> square,
                                 std::uint64_t num_tokens) {
  require(mean.size() == square.size(), "a mean and a mean square for each output");
  double removed = 0, total = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    removed += mean[i] * mean[i];
    total += std::max(square[i], mean[i] * mean[i]);
  }
  CorrectedBias corrected;
  corrected.gain = total > 0 ? removed / total : 0.0;
  if (!(corrected.gain >= kLeastGain)) return corrected;
  const auto n = static_cast<double>(num_tokens);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double spread = std::max(square[i] - mean[i] * mean[i], 0.0);
    const double told = n * mean[i] * mean[i];
    corrected.change.push_back(told > 0 ? static_cast<float>(-mean[i] * told / (told + spread))
                                        : 0.0f);
  }
  return corrected;
}

CorrectedBias correct_bias(Threads& threads, const LayerProblem& problem,
                           MatrixView<const float> dequantized, std::span<const double> mean,
                           std::uint64_t num_tokens) {
  const auto weight = problem.weight;
  require(mean.size() == weight.cols, "a mean for each channel");
  const Matrix<float> hessian = full_square(problem.hessian);
  std::vector<double> shift(weight.rows), square(weight.rows);
  threads.for_each(num_tiles(weight.rows, kRowTile), [&](std::size_t t) {
    const Tile rows = tile_at(t, kRowTile, weight.rows);
    Matrix<float> error(rows.size(), weight.cols), product(rows.size(), weight.cols);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < weight.cols; ++j) {
        error(i, j) = dequantized(rows.begin + i, j) - weight(rows.begin + i, j);
      }
    }
    linalg::gemm(1, error, linalg::Transposed::no, hessian, linalg::Transposed::no, 0, product);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < weight.cols; ++j) {
        shift[rows.begin + i] += static_cast<double>(error(i, j)) * mean[j];
        square[rows.begin + i] +=
            static_cast<double>(error(i, j)) * static_cast<double>(product(i, j));
      }
    }
  });
  return correct_mean_error(shift, square, num_tokens);
}

}  // namespace tessera::solver
