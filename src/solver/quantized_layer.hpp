#pragma once
#include <variant>

#include "solver/integer/integer_layer.hpp"
#include "solver/vptq/vptq_layer.hpp"

namespace tessera::solver {

/// A solved layer of either kind.
using QuantizedLayer = std::variant<VptqLayer, IntegerLayer>;

inline Matrix<float> dequantize(const QuantizedLayer& layer) {
  return std::visit([](const auto& kind) { return dequantize(kind); }, layer);
}

/// Walks the kind, then its fields; reading makes the layer of the stored kind.
template <class Archive>
void archive(Archive& a, QuantizedLayer& layer) {
  std::uint64_t kind = layer.index();
  a("kind", kind);
  if (kind != layer.index()) {
    require_input(kind < std::variant_size_v<QuantizedLayer>,
                  "a stored layer is of a kind this program does not know");
    if (kind == 0) layer.emplace<VptqLayer>();
    if (kind == 1) layer.emplace<IntegerLayer>();
  }
  std::visit([&](auto& stored) { archive(a, stored); }, layer);
}

}  // namespace tessera::solver
