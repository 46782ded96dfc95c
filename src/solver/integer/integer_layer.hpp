#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "core/dtype.hpp"
#include "core/input_quantization.hpp"
#include "core/matrix.hpp"

namespace tessera::solver {

/// A layer as integers with shared scales. M outputs, N inputs, G = ceil(N / group_size) groups of
/// consecutive columns, the last of which may be shorter; group_size == N: one scale an output row.
///
///     weight(i, j) = scale(i, g) * (code(i, j) - zero_point(i, g))      g = j / group_size
///
/// Scales are positive and survive a round trip through `scale_type`.
struct IntegerLayer {
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::uint64_t bits = 0;        ///< of a weight: 2, 3, 4 or 8
  std::uint64_t group_size = 0;  ///< columns that share a scale
  bool is_symmetric = true;      ///< every zero point is 2^(bits-1)
  StoredType scale_type = StoredType::float16;
  std::optional<InputQuantization> input;  ///< none: the input stays as it is (A16)
  bool has_bias = false;                   ///< the layer has a bias tensor in the packed model

  Matrix<std::uint8_t> codes;       ///< (M, N): 0 ... 2^bits - 1
  Matrix<float> scale;              ///< (M, G)
  Matrix<std::uint8_t> zero_point;  ///< (M, G), in the codes' own range
  std::vector<float> bias;          ///< (M) where has_bias: the layer's whole bias, corrected

  std::uint64_t num_groups() const {
    return group_size == 0 ? 0 : (in_features + group_size - 1) / group_size;
  }
};

/// The weights an engine computes from the layer, (M, N), in fp32: one subtraction of integers, one
/// product.
Matrix<float> dequantize(const IntegerLayer& layer);
/// The same into memory at hand. @pre out is (out_features, in_features)
void dequantize(const IntegerLayer& layer, MatrixView<float> out);

/// A copy without the arrays.
IntegerLayer sizes_of(const IntegerLayer& layer);

/// Bits a packed file spends on the weights: codes, scales and, unless symmetric, zero points.
std::uint64_t stored_bits(const IntegerLayer& layer);

template <class Archive>
void archive(Archive& a, IntegerLayer& l) {
  a("out_features", l.out_features);
  a("in_features", l.in_features);
  a("bits", l.bits);
  a("group_size", l.group_size);
  a("is_symmetric", l.is_symmetric);
  a("scale_type", l.scale_type);
  bool quantizes_input = l.input.has_value();
  a("quantizes_input", quantizes_input);
  if (quantizes_input && !l.input) l.input.emplace();
  if (quantizes_input) {
    a("input_is_dynamic", l.input->is_dynamic);
    a("input_scale", l.input->scale);
    a("input_zero_point", l.input->zero_point);
  }
  a("has_bias", l.has_bias);
  a("codes", l.codes);
  a("scale", l.scale);
  a("zero_point", l.zero_point);
  a("bias", l.bias);
}

}  // namespace tessera::solver
