#include "linalg/packed_weight.hpp"

#include <algorithm>

#include "linalg/transpose.hpp"

namespace tessera::linalg {

PackedWeight::PackedWeight() = default;
PackedWeight::~PackedWeight() = default;
PackedWeight::PackedWeight(PackedWeight&&) noexcept = default;
PackedWeight& PackedWeight::operator=(PackedWeight&&) noexcept = default;

PackedWeight::PackedWeight(MatrixView<const float> weight, Transposed transposed, WeightOrder order)
    : order_(order),
      out_features_(transposed == Transposed::no ? weight.rows : weight.cols),
      in_features_(transposed == Transposed::no ? weight.cols : weight.rows) {
  const bool is_empty =
      weight.rows == 0 || weight.cols == 0;  // nothing to pack, but it has a shape
  if (order == WeightOrder::plain || is_empty) {
    keep_plain(weight, transposed);
  } else {
    pack(weight, transposed);
  }
}

void PackedWeight::keep_plain(MatrixView<const float> weight, Transposed transposed) {
  plain_ = Matrix<float>(out_features_, in_features_);
  if (transposed == Transposed::yes) return transpose(weight, plain_);
  for (std::size_t i = 0; i < weight.rows; ++i) {
    std::copy(weight.row(i), weight.row(i) + weight.cols, plain_.row(i));
  }
}

void PackedWeight::multiply(MatrixView<const float> x, MatrixView<float> y,
                            Accumulate accumulate) const {
  if (order_ == WeightOrder::plain) return multiply_outputs({0, out_features_}, x, y, accumulate);
  require(x.cols == in_features_ && y.cols == out_features_ && x.rows == y.rows,
          "PackedWeight::multiply: shapes do not fit");
  require(x.is_contiguous() && y.is_contiguous(),
          "PackedWeight::multiply: rows are not contiguous");
  multiply_packed(x, y, accumulate);
}

void PackedWeight::multiply_outputs(Tile outputs, MatrixView<const float> x, MatrixView<float> y,
                                    Accumulate accumulate) const {
  require(order_ == WeightOrder::plain, "PackedWeight::multiply_outputs: the order is not plain");
  require(x.cols == in_features_ && y.cols == out_features_ && x.rows == y.rows,
          "PackedWeight::multiply_outputs: shapes do not fit");
  gemm(1, x, Transposed::no, plain_.view().middle_rows(outputs.begin, outputs.size()),
       Transposed::yes, accumulate == Accumulate::yes ? 1.0F : 0.0F,
       y.block(0, outputs.begin, y.rows, outputs.size()));
}

}  // namespace tessera::linalg
