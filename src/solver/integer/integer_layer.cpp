#include "solver/integer/integer_layer.hpp"

#include <algorithm>

namespace tessera::solver {

Matrix<float> dequantize(const IntegerLayer& layer) {
  Matrix<float> weight(layer.out_features, layer.in_features);
  dequantize(layer, weight);
  return weight;
}

void dequantize(const IntegerLayer& layer, MatrixView<float> out) {
  require(out.rows == layer.out_features && out.cols == layer.in_features,
          "a place for the whole weight");
  for (std::size_t i = 0; i < out.rows; ++i) {
    const std::uint8_t* codes = layer.codes.row(i);
    float* row = out.row(i);
    for (std::size_t g = 0; g < layer.num_groups(); ++g) {
      const int zero = layer.zero_point(i, g);
      const float scale = layer.scale(i, g);
      const std::size_t begin = g * layer.group_size;
      const std::size_t end = std::min<std::size_t>(begin + layer.group_size, out.cols);
      for (std::size_t j = begin; j < end; ++j) {
        row[j] = scale * static_cast<float>(static_cast<int>(codes[j]) - zero);
      }
    }
  }
}

IntegerLayer sizes_of(const IntegerLayer& layer) {
  IntegerLayer sizes;
  sizes.out_features = layer.out_features;
  sizes.in_features = layer.in_features;
  sizes.bits = layer.bits;
  sizes.group_size = layer.group_size;
  sizes.is_symmetric = layer.is_symmetric;
  sizes.scale_type = layer.scale_type;
  sizes.input = layer.input;
  sizes.has_bias = layer.has_bias;
  return sizes;
}

std::uint64_t stored_bits(const IntegerLayer& layer) {
  const std::uint64_t scales = layer.out_features * layer.num_groups();
  const std::uint64_t codes = layer.out_features * layer.in_features * layer.bits;
  return codes + scales * 8 * size_of(dtype_of(layer.scale_type)) +
         (layer.is_symmetric ? 0 : scales * layer.bits);
}

}  // namespace tessera::solver
