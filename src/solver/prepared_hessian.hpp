#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::solver {

/// A layer's Hessian as the solver uses it: mean diagonal 1, dampened, transformed with the columns' scales
/// (S H S: without it normalization makes results worse, vptq.md 1.4), permuted, in fp32.
struct PreparedHessian {
  Matrix<float> square;         ///< (N, N) by position, symmetric
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
PreparedHessian prepare_hessian(MatrixView<const double> hessian, std::span<const float> scale,
                                std::span<const std::uint32_t> perm, double damp_fraction);

}  // namespace tessera::solver
