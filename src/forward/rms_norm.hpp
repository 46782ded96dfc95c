#pragma once
#include <span>

namespace tessera::forward {

/// out = x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019); out may be x.
void rms_norm(std::span<const float> x, std::span<const float> weight, double epsilon,
              std::span<float> out);

}  // namespace tessera::forward
