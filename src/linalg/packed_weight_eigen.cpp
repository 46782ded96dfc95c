#include "linalg/packed_weight.hpp"

namespace tessera::linalg {

// Eigen rearranges its operands in every product and offers no way to keep the result: a plain
// copy, and no layout.
void PackedWeight::pack(MatrixView<const float> weight, Transposed transposed) {
  keep_plain(weight, transposed);
}

void PackedWeight::multiply_packed(MatrixView<const float> x, MatrixView<float> y,
                                   Accumulate accumulate) const {
  gemm(1, x, Transposed::no, plain_, Transposed::yes, accumulate == Accumulate::yes ? 1.0F : 0.0F,
       y);
}

}  // namespace tessera::linalg
