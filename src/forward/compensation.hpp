#pragma once
#include <memory>
#include <span>

#include "core/matrix.hpp"

namespace tessera::forward {

/// Which channels of a token a residual is fetched for.
class InputSelection {
 public:
  virtual ~InputSelection() = default;
  /// Copies the chosen channels of the token @p x to @p kept and zeros the others. May be called by
  /// several threads at once; the result depends on the token's values and position alone.
  /// @param position in its sequence
  virtual void keep(std::span<const float> x, std::size_t position,
                    std::span<float> kept) const = 0;
};

/// The product with a quantized layer's residual.
class ResidualProduct {
 public:
  virtual ~ResidualProduct() = default;
  /// y += kept R^T. Sequential; may be called by several threads at once.
  /// @param kept (n, in_features)  @param y (n, out_features)
  virtual void add(MatrixView<const float> kept, MatrixView<float> y) const = 0;
};

/// What is added to a linear layer's product: y = W^ x + R (x * mask). Layers that share a
/// selection have it made once for each input.
struct Compensation {
  std::shared_ptr<const InputSelection> selection;
  std::shared_ptr<const ResidualProduct> residual;  ///< null: the layer is not compensated
};

}  // namespace tessera::forward
