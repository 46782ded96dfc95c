#pragma once
#include "core/input_quantization.hpp"
#include "core/matrix.hpp"

namespace tessera::linalg {

/// Replaces each element of @p x, the input of a linear layer, by the value its 8-bit integer
/// stands for (core/input_quantization.hpp): x^ = (q - zero_point) * scale with
///     q = clamp(round(x / scale) + zero_point, -128, 127), rounded half to even, all in fp32.
/// With a dynamic quantization each row has its own scale = max|x| / levels; a row of zeros stays
/// as it is. Sequential; a row's bits depend on its values alone.
/// @pre quantization.scale > 0 where it is static, levels > 0 where it is dynamic
void quantize_rows(MatrixView<float> x, const InputQuantization& quantization);

/// The same, an element at a time; the oracle of the other, to the bit.
void quantize_rows_reference(MatrixView<float> x, const InputQuantization& quantization);

}  // namespace tessera::linalg
