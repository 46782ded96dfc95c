#include "calibration/token_sample.hpp"

#include <algorithm>

#include "core/random.hpp"

namespace tessera::calibration {

std::size_t TokenSample::position_of(std::size_t row) const {
  if (length < 2) return 0;
  return 1 + CounterRandom(0, "", "token sample").below(row, length - 1);
}

TokenSample sample_tokens(std::size_t max_rows, std::size_t num_samples, std::size_t length) {
  const std::size_t useful = num_samples * std::max<std::size_t>(length - 1, 1);
  return {std::min(max_rows, useful), num_samples, length};
}

}  // namespace tessera::calibration
