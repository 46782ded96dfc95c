#pragma once
#include "linalg/gemm.hpp"

namespace tessera::linalg {

/// The three extents of a product: op(A) is (m, k), op(B) is (k, n), C is (m, n).
struct GemmShape {
  std::size_t m = 0, n = 0, k = 0;
};

/// Checks gemm's precondition (a Bug otherwise).
GemmShape checked_shape(MatrixView<const float> a, Transposed trans_a, MatrixView<const float> b,
                        Transposed trans_b, MatrixView<float> c);

/// C = beta * C, and zero with beta = 0 whatever C held: a product over k = 0 terms.
void scale_in_place(float beta, MatrixView<float> c);

}  // namespace tessera::linalg
