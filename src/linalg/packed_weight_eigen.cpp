#include <algorithm>

#include "linalg/gemm.hpp"
#include "linalg/packed_weight.hpp"
#include "linalg/transpose.hpp"

namespace tessera::linalg {

// Eigen rearranges its operands in every product and offers no way to keep the result: a plain
// copy.
struct PackedWeight::Layout {
  Matrix<float> weight;  // (out_features, in_features)
};

PackedWeight::PackedWeight() = default;
PackedWeight::~PackedWeight() = default;
PackedWeight::PackedWeight(PackedWeight&&) noexcept = default;
PackedWeight& PackedWeight::operator=(PackedWeight&&) noexcept = default;

PackedWeight::PackedWeight(MatrixView<const float> weight, Transposed transposed)
    : out_features_(transposed == Transposed::no ? weight.rows : weight.cols),
      in_features_(transposed == Transposed::no ? weight.cols : weight.rows) {
  layout_ = std::make_unique<Layout>(Layout{Matrix<float>(out_features_, in_features_)});
  if (transposed == Transposed::yes) {
    transpose(weight, layout_->weight);
    return;
  }
  for (std::size_t i = 0; i < weight.rows; ++i) {
    std::copy(weight.row(i), weight.row(i) + weight.cols, layout_->weight.row(i));
  }
}

void PackedWeight::multiply(MatrixView<const float> x, MatrixView<float> y,
                            Accumulate accumulate) const {
  require(x.cols == in_features_ && y.cols == out_features_ && x.rows == y.rows,
          "PackedWeight::multiply: shapes do not fit");
  require(x.is_contiguous() && y.is_contiguous(),
          "PackedWeight::multiply: rows are not contiguous");
  gemm(1, x, Transposed::no, layout_->weight, Transposed::yes,
       accumulate == Accumulate::yes ? 1.0F : 0.0F, y);
}

}  // namespace tessera::linalg
