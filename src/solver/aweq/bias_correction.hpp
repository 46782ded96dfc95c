#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "solver/layer_problem.hpp"

namespace tessera::solver {

struct CorrectedBias {
  std::vector<float> change;  ///< (M): to be added to the bias; empty where it does not pay
  double gain = 0;            ///< share of the output's squared error that it removes
};

/// What the bias takes away of an output error whose row i has mean d_i and mean square q_i over n
/// tokens (aweq.md section 3):
///
///     change_i = -d_i n / (n + s_i / d_i^2)        s_i = q_i - d_i^2
///
/// shrunk by what n tokens can tell of the mean. gain = sum d_i^2 / sum q_i; below kLeastGain
/// nothing is changed.
/// @param mean, square (M): of quantized - original
CorrectedBias correct_mean_error(std::span<const double> mean, std::span<const double> square,
                                 std::uint64_t num_tokens);
inline constexpr double kLeastGain = 0.005;

/// The mean of a layer's output error over the calibration tokens, taken away by the bias (aweq.md
/// section 3, analytic): with E = W^ - W and the mean input m, row i's error has mean d_i = e_i m
/// and mean square q_i = e_i H e_i^T.
/// @param mean (N)  @param dequantized the shape of problem.weight
CorrectedBias correct_bias(Threads& threads, const LayerProblem& problem,
                           MatrixView<const float> dequantized, std::span<const double> mean,
                           std::uint64_t num_tokens);

}  // namespace tessera::solver
