#pragma once
#include <memory>

#include "core/matrix.hpp"
#include "linalg/gemm.hpp"

namespace tessera::linalg {

enum class Accumulate { no, yes };

/// The weight of a linear layer, kept once in the order in which this machine's matrix product
/// reads it, so that no product has to rearrange it again. As large as the plain matrix (plus
/// padding to the library's blocks).
class PackedWeight {
 public:
  PackedWeight();
  /// @param weight (out_features, in_features), or (in_features, out_features) where it is given
  /// transposed; copied
  explicit PackedWeight(MatrixView<const float> weight, Transposed transposed = Transposed::no);
  ~PackedWeight();
  PackedWeight(PackedWeight&&) noexcept;
  PackedWeight& operator=(PackedWeight&&) noexcept;

  std::size_t out_features() const { return out_features_; }
  std::size_t in_features() const { return in_features_; }

  /// y = x W^T, or y += x W^T. Sequential; may be called from several threads at once. Same
  /// operands and shapes give the same bits.
  /// @param x (n, in_features)  @param y (n, out_features); they do not overlap
  /// @pre both are contiguous: oneDNN has no fast product for others
  void multiply(MatrixView<const float> x, MatrixView<float> y,
                Accumulate accumulate = Accumulate::no) const;

 private:
  struct Layout;
  std::unique_ptr<Layout> layout_;
  std::size_t out_features_ = 0;
  std::size_t in_features_ = 0;
};

}  // namespace tessera::linalg
