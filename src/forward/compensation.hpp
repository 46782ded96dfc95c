#pragma once
#include <memory>

#include "core/matrix.hpp"

namespace tessera::forward {

/// Which channels of a token a residual is fetched for.
class InputSelection {
 public:
  virtual ~InputSelection() = default;
  /// Copies the chosen channels of each row of @p x to @p kept and zeros the others. Sequential;
  /// may be called by several threads at once; a row's result depends on its values and position
  /// alone.
  /// @param position of the first row in its sequence; the others follow it
  virtual void keep(MatrixView<const float> x, std::size_t position,
                    MatrixView<float> kept) const = 0;
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
