#pragma once
#include <optional>

#include "core/matrix.hpp"

namespace tessera::linalg {

/// The upper triangular U with H^-1 = U^T U, in double precision; nullopt when H is not positive definite to working precision.
///
/// This is what the column pass walks along (GPTQ's Cholesky factor of the inverse). It is found without
/// forming H^-1: with H = R R^T, R upper triangular (a Cholesky factorization from the last row up), U = R^-1.
/// Entries below the diagonal are zero.
/// @pre h is square; only its lower triangle is read
std::optional<Matrix<double>> inverse_upper_factor(const Matrix<double>& h);
/// By the definition: invert H column by column, then factor; the oracle of the other.
std::optional<Matrix<double>> inverse_upper_factor_reference(const Matrix<double>& h);

/// Solves A X = B for symmetric positive definite A (n, n), B (n, m) in place; false when A is not positive definite
/// (B is then unchanged).
/// @pre only the lower triangle of a is read
bool solve_positive_definite(const Matrix<double>& a, Matrix<double>& b);

}  // namespace tessera::linalg
