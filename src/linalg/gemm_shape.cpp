#include "linalg/gemm_shape.hpp"

namespace tessera::linalg {

GemmShape checked_shape(MatrixView<const float> a, Transposed trans_a, MatrixView<const float> b,
                        Transposed trans_b, MatrixView<float> c) {
  const bool flip_a = trans_a == Transposed::yes;
  const bool flip_b = trans_b == Transposed::yes;
  const GemmShape shape{flip_a ? a.cols : a.rows, flip_b ? b.rows : b.cols,
                        flip_a ? a.rows : a.cols};
  require((flip_b ? b.cols : b.rows) == shape.k,
          "gemm: op(A) and op(B) differ in their inner size");
  require(c.rows == shape.m && c.cols == shape.n, "gemm: C is not (rows of op(A), cols of op(B))");
  return shape;
}

void scale_in_place(float beta, MatrixView<float> c) {
  for (std::size_t i = 0; i < c.rows; ++i) {
    for (float& value : c.row_span(i)) value = beta == 0 ? 0 : beta * value;
  }
}

}  // namespace tessera::linalg
