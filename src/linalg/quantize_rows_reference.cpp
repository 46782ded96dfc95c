#include <algorithm>
#include <cmath>

#include "linalg/quantize_rows.hpp"

namespace tessera::linalg {
namespace {

float scale_of(std::span<const float> x, float levels) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  return largest / levels;
}

}  // namespace

void quantize_rows_reference(MatrixView<float> x, const InputQuantization& quantization) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    const bool is_dynamic = quantization.is_dynamic;
    const float scale =
        is_dynamic ? scale_of(x.row_span(i), quantization.levels) : quantization.scale;
    const float zero = is_dynamic ? 0 : static_cast<float>(quantization.zero_point);
    for (float& value : x.row_span(i)) {
      // A row so small that its scale vanishes is as good as zero.
      const float steps = scale == 0 ? 0 : std::nearbyint(value / scale);
      value = (std::clamp(steps + zero, -128.0F, 127.0F) - zero) * scale;
    }
  }
}

}  // namespace tessera::linalg
