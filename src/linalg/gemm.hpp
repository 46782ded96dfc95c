#pragma once
#include "core/matrix.hpp"

namespace tessera::linalg {

enum class Transposed { no, yes };

/// C = alpha * op(A) * op(B) + beta * C, sequential; the caller cuts the work into tiles
/// (core/threads.hpp).
///
/// With beta = 0, C is only written. Same operands, shapes and leading dimensions give the same
/// bits.
/// @pre op(A) is (m, k), op(B) is (k, n), C is (m, n); C overlaps neither A nor B
void gemm(float alpha, MatrixView<const float> a, Transposed trans_a, MatrixView<const float> b,
          Transposed trans_b, float beta, MatrixView<float> c);

/// The textbook's three loops in double precision; the oracle of the other.
void gemm_reference(float alpha, MatrixView<const float> a, Transposed trans_a,
                    MatrixView<const float> b, Transposed trans_b, float beta, MatrixView<float> c);

}  // namespace tessera::linalg
