#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::solver {

/// Number of columns that no input ever reached.
std::size_t count_dead_columns(MatrixView<const double> hessian);

/// The diagonal of S H S after damping, by original column: what a column's error weighs.
std::vector<double> column_importance(MatrixView<const double> hessian,
                                      std::span<const float> scale, double damp_fraction);

// S (H / mean + damp I) S, permuted, is a layer's Hessian as solvers use it: mean diagonal 1,
// dampened, transformed with the columns' scales (without that normalization makes results worse,
// vptq.md 1.4). Its two forms are made one after the other: at 28,672 channels each takes 3.3 GB.

/// U, upper triangular, with the inverse of that matrix = U^T U: (N, N) by position, in fp32.
/// Throws LayerFailure when it is not positive definite, to the precision that the factor needs.
Matrix<float> prepared_inverse_upper(Threads& threads, MatrixView<const double> hessian,
                                     std::span<const float> scale,
                                     std::span<const std::uint32_t> perm, double damp_fraction);

/// The matrix itself: (N, N) by position, symmetric, in fp32.
Matrix<float> prepared_square(MatrixView<const double> hessian, std::span<const float> scale,
                              std::span<const std::uint32_t> perm, double damp_fraction);

}  // namespace tessera::solver
