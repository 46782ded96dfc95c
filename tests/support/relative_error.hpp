#pragma once
#include <cmath>
#include <span>

namespace tessera::test {

/// |x - expected| / |expected|, summed in fp64. @pre spans of one length
inline double relative_error(std::span<const float> x, std::span<const float> expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double wanted = static_cast<double>(expected[i]);
    const double difference = static_cast<double>(x[i]) - wanted;
    error += difference * difference;
    size += wanted * wanted;
  }
  return std::sqrt(error / size);
}

}  // namespace tessera::test
