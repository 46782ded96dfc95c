#include "residual/residual_layer.hpp"

namespace tessera::residual {

Matrix<float> dequantize(const ResidualLayer& layer) {
  const int zero = layer.zero_code();
  Matrix<float> values(layer.out_features, layer.in_features);
  for (std::size_t j = 0; j < layer.in_features; ++j) {
    const std::uint8_t* codes = layer.codes.row(j);
    for (std::size_t i = 0; i < layer.out_features; ++i) {
      values(i, j) = layer.scale[i] * static_cast<float>(codes[i] - zero);
    }
  }
  return values;
}

std::uint64_t bytes_per_channel(const ResidualLayer& layer) {
  return (layer.out_features * layer.bits + 7) / 8;
}

}  // namespace tessera::residual
