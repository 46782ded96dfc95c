#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::linalg {

/// The upper triangular U with H^-1 = U^T U, in double precision; nullopt when H is not positive
/// definite to working precision: when a pivot of its factorization does not exceed smallest_pivot,
/// or H holds NaN.
///
/// This is what the column pass walks along (GPTQ's Cholesky factor of the inverse). It is found
/// without forming H^-1: with H = R R^T, R upper triangular (a Cholesky factorization from the last
/// row up), U = R^-1. Entries below the diagonal are zero. n^3 / 3 multiplications each for R and
/// its inverse, in blocks of fixed size that share out over the threads: any number of threads
/// gives the same bits. Beside H and U it keeps R's triangle (lower_panels.hpp) and, a thread,
/// (n, kInversePanel) doubles.
/// @pre h is square; only its lower triangle is read
std::optional<Matrix<double>> inverse_upper_factor(Threads& threads, const Matrix<double>& h);
inline constexpr std::size_t kInversePanel = 128;

/// Fills out with H(row, 0 ... row).
using LowerRow = std::function<void(std::size_t row, std::span<double> out)>;

/// The same for an (n, n) H that is nowhere whole, computed in double precision and then rounded:
/// at 28,672 channels, where a square of doubles takes 6.6 GB, it takes R's 3.3 GB and U's.
std::optional<Matrix<float>> inverse_upper_factor_fp32(Threads& threads, std::size_t n,
                                                       const LowerRow& fill_row);

/// By the definition: invert H column by column, then factor; the oracle of the others.
std::optional<Matrix<double>> inverse_upper_factor_reference(const Matrix<double>& h);

/// Solves A X = B for symmetric positive definite A (n, n), B (n, m) in place; false when A is not
/// positive definite (B is then unchanged). Sequential.
/// @pre only the lower triangle of a is read
bool solve_positive_definite(const Matrix<double>& a, Matrix<double>& b);
bool solve_positive_definite_reference(const Matrix<double>& a, Matrix<double>& b);

/// What a pivot of an (n, n) factorization must exceed to be more than rounding, given the diagonal
/// entry it came from: a pivot loses up to about n units in the last place of that entry.
double smallest_pivot(double diagonal, std::size_t n);

}  // namespace tessera::linalg
