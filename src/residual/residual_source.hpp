#pragma once
#include <string_view>

#include "residual/residual_layer.hpp"

namespace tessera::residual {

/// Residuals by the name of their layer ("model.layers.0.mlp.up_proj").
class ResidualSource {
 public:
  virtual ~ResidualSource() = default;
  virtual std::uint64_t bits() const = 0;  ///< of the codes of all layers
  virtual bool contains(std::string_view layer) const = 0;
  /// Throws InputError naming the tensor and the file.
  virtual ResidualLayer read(std::string_view layer) const = 0;
};

}  // namespace tessera::residual
