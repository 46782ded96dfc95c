#include <algorithm>
#include <cmath>
#include <limits>

#include "core/dtype.hpp"
#include "residual/residual_solver.hpp"

namespace tessera::residual {
namespace {

int code_at(float value, float scale, int limit) {
  if (!(scale > 0)) return 0;
  const float steps = std::nearbyint(value / scale);
  return static_cast<int>(std::clamp(steps, static_cast<float>(-limit), static_cast<float>(limit)));
}

double error_of(std::span<const float> residual, std::span<const double> importance, float scale,
                int limit) {
  double error = 0;
  for (std::size_t j = 0; j < residual.size(); ++j) {
    const double lost = static_cast<double>(residual[j]) -
                        static_cast<double>(scale) * code_at(residual[j], scale, limit);
    error += (importance.empty() ? 1.0 : importance[j]) * lost * lost;
  }
  return error;
}

}  // namespace

float solve_row_reference(std::span<const float> residual, std::span<const double> importance,
                          int bits, std::span<int> codes) {
  const int limit = (1 << (bits - 1)) - 1;
  float largest = 0;
  for (const float value : residual) largest = std::max(largest, std::fabs(value));
  const float end = largest / static_cast<float>(limit), start = end / 32;
  float best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (int t = 0; t < 32; ++t) {
    const float scale =
        rounded_to(StoredType::float16, start + (end - start) * (static_cast<float>(t) / 31));
    const double error = error_of(residual, importance, scale, limit);
    if (!(scale > 0) || !(error < least)) continue;
    best = scale;
    least = error;
  }
  for (std::size_t j = 0; j < residual.size(); ++j) codes[j] = code_at(residual[j], best, limit);
  return best;
}

}  // namespace tessera::residual
