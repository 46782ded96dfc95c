#include "linalg/quantize_rows.hpp"

#include "linalg/vector_math.hpp"

namespace tessera::linalg {

void quantize_rows(MatrixView<float> x, const InputQuantization& quantization) {
  const bool is_dynamic = quantization.is_dynamic;
  require(is_dynamic ? quantization.levels > 0 : quantization.scale > 0,
          "quantize_rows: the quantization has levels or a scale");
  for (std::size_t i = 0; i < x.rows; ++i) {
    const auto row = x.row_span(i);
    if (!is_dynamic) {
      round_to_steps(row, quantization.scale, static_cast<float>(quantization.zero_point));
      continue;
    }
    round_to_steps(row, largest_magnitude(row) / quantization.levels, 0);
  }
}

}  // namespace tessera::linalg
