#pragma once
#include <memory>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "linalg/gemm.hpp"

namespace tessera::linalg {

enum class Accumulate { no, yes };

/// packed: as this machine's matrix product reads it; plain: row by row, of which a product can
/// take a part. Plain weights multiply single rows as fast, many rows somewhat slower.
enum class WeightOrder { packed, plain };

/// The weight of a linear layer, kept once in the order in which this machine's matrix product
/// reads it, so that no product has to rearrange it again. As large as the plain matrix (plus
/// padding to the library's blocks).
class PackedWeight {
 public:
  PackedWeight();
  /// @param weight (out_features, in_features), or (in_features, out_features) where it is given
  /// transposed; copied
  explicit PackedWeight(MatrixView<const float> weight, Transposed transposed = Transposed::no,
                        WeightOrder order = WeightOrder::packed);
  ~PackedWeight();
  PackedWeight(PackedWeight&&) noexcept;
  PackedWeight& operator=(PackedWeight&&) noexcept;

  std::size_t out_features() const { return out_features_; }
  std::size_t in_features() const { return in_features_; }
  WeightOrder order() const { return order_; }

  /// y = x W^T, or y += x W^T. Sequential; may be called from several threads at once. Same
  /// operands and shapes give the same bits.
  /// @param x (n, in_features)  @param y (n, out_features); they do not overlap
  /// @pre both are contiguous: oneDNN has no fast product for others
  void multiply(MatrixView<const float> x, MatrixView<float> y,
                Accumulate accumulate = Accumulate::no) const;

  /// The same for the columns @p outputs of y alone; the others are not touched.
  /// @pre order() == WeightOrder::plain
  void multiply_outputs(Tile outputs, MatrixView<const float> x, MatrixView<float> y,
                        Accumulate accumulate = Accumulate::no) const;

 private:
  struct Layout;
  void keep_plain(MatrixView<const float> weight, Transposed transposed);
  void pack(MatrixView<const float> weight, Transposed transposed);
  void multiply_packed(MatrixView<const float> x, MatrixView<float> y, Accumulate accumulate) const;

  std::shared_ptr<const Layout> layout_;  // null where plain_ is what there is; never shared
  Matrix<float> plain_;
  WeightOrder order_ = WeightOrder::packed;
  std::size_t out_features_ = 0;
  std::size_t in_features_ = 0;
};

}  // namespace tessera::linalg
