#include "solver/integer/input_range.hpp"

#include <algorithm>
#include <cmath>

#include "solver/integer/integer_tiles.hpp"

namespace tessera::solver {

InputQuantization static_input(float low, float high, InputScale kind, StoredType scale_type) {
  InputQuantization input;
  if (kind == InputScale::dynamic_token) return input;
  input.is_dynamic = false;
  const bool is_symmetric = kind == InputScale::static_symmetric;
  const float scale =
      rounded_to(scale_type, is_symmetric ? std::max(-low, high) / 127.5f : (high - low) / 255.0f);
  input.scale = scale > 0 && std::isfinite(1.0f / scale) ? scale : 1.0f;
  if (!is_symmetric) {
    input.zero_point =
        static_cast<int>(std::clamp(-128.0f - round_half_even(low / input.scale), -128.0f, 127.0f));
  }
  return input;
}

}  // namespace tessera::solver
