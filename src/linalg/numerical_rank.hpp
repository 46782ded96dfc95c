#pragma once
#include "core/matrix.hpp"

namespace tessera::linalg {

/// How many directions of a positive semidefinite H are more than rounding: the number of pivots of
/// a Cholesky factorization with diagonal pivoting that exceed @p tolerance times the largest
/// diagonal entry, with H scaled to a diagonal of ones first (zero rows stay out), so that channels
/// of all sizes count alike. Sequential; n^3 / 3 multiplications at most.
/// @pre h is square; only its lower triangle is read
std::size_t numerical_rank(MatrixView<const double> h, double tolerance = 1e-10);

}  // namespace tessera::linalg
