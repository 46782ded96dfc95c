#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::solver {

/// A layer's Hessian as the solver uses it: mean diagonal 1, dampened, transformed with the columns'
/// scales (S H S: without it normalization makes results worse, vptq.md 1.4) and permuted. Its two
/// forms, U and the square, are made one after the other: at 28,672 channels each takes 3.3 GB.
struct PreparedHessian {
  Matrix<float> inverse_upper;  ///< (N, N): U with square^-1 = U^T U
  double damp_fraction = 0;     ///< as used
  bool is_diagonal = false;     ///< the last fallback: off-diagonal entries were dropped
  std::vector<std::string> remarks;
};

/// Number of columns that no input ever reached.
std::size_t count_dead_columns(MatrixView<const double> hessian);

/// The diagonal of S H S after damping, by original column: what a column's error weighs.
std::vector<double> column_importance(MatrixView<const double> hessian, std::span<const float> scale,
                                      double damp_fraction);

/// Tries the asked damping, then ten times and a hundred times as much, then the diagonal alone.
PreparedHessian prepare_hessian(Threads& threads, MatrixView<const double> hessian,
                                std::span<const float> scale, std::span<const std::uint32_t> perm,
                                double damp_fraction);

/// The matrix whose factor @p prepared holds: (N, N) by position, symmetric, in fp32.
Matrix<float> prepared_square(const PreparedHessian& prepared, MatrixView<const double> hessian,
                              std::span<const float> scale, std::span<const std::uint32_t> perm);

}  // namespace tessera::solver
