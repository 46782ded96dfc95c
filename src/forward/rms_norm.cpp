#include "forward/rms_norm.hpp"

#include <cmath>

#include "linalg/vector_math.hpp"

namespace tessera::forward {

void rms_norm(std::span<const float> x, std::span<const float> weight, double epsilon,
              std::span<float> out) {
  const double mean = linalg::sum_of_squares(x) / static_cast<double>(x.size());
  linalg::scale_by(x, static_cast<float>(1 / std::sqrt(mean + epsilon)), weight, out);
}

}  // namespace tessera::forward
