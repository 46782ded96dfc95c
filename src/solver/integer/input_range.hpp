#pragma once
#include "core/dtype.hpp"
#include "core/input_quantization.hpp"
#include "solver/integer/integer_settings.hpp"

namespace tessera::solver {

/// How an 8-bit input of the range [low, high] is quantized: symmetric static, scale = max(-low,
/// high) / 127.5; asymmetric static, scale = (high - low) / 255 with zero included in the range
/// (formats.md section 1); dynamic needs no range.
/// The scale survives a round trip through @p scale_type.
/// @pre low <= 0 <= high
InputQuantization static_input(float low, float high, InputScale kind, StoredType scale_type);

}  // namespace tessera::solver
