#pragma once
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::solver {

/// A layer's Hessian as the solver uses it: mean diagonal 1, dampened, transformed with the columns' scales
/// (S H S: without it normalization makes results worse, vptq.md 1.4), permuted, in fp32.
struct PreparedHessian {
  Matrix<float> square;         ///< (N, N) by position, symmetric
  Matrix<float> inverse_upper;  ///< (N, N): U with square^-1 = U^T U
};

/// Number of columns that no input ever reached.
std::size_t count_dead_columns(MatrixView<const double> hessian);

/// The diagonal of S H S after damping, by original column: what a column's error weighs.
std::vector<double> column_importance(MatrixView<const double> hessian, std::span<const float> scale,
                                      double damp_fraction);

/// Throws LayerFailure when that is not positive definite, to the precision that the factor needs.
PreparedHessian prepare_hessian(MatrixView<const double> hessian, std::span<const float> scale,
                                std::span<const std::uint32_t> perm, double damp_fraction);

}  // namespace tessera::solver
