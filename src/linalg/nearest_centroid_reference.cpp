#include <limits>

#include "linalg/nearest_centroid.hpp"

namespace tessera::linalg {

void nearest_centroid_reference(Planes x, const CentroidTable& table,
                                std::span<std::uint32_t> index) {
  const auto centroids = table.centroids();
  for (std::size_t i = 0; i < x.cols; ++i) {
    double smallest = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < table.count(); ++c) {
      double distance = 0;
      for (std::size_t t = 0; t < x.rows; ++t) {
        const double d = static_cast<double>(x(t, i)) - centroids(c, t);
        distance += d * d;
      }
      if (distance < smallest) {
        smallest = distance;
        index[i] = static_cast<std::uint32_t>(c);
      }
    }
  }
}

}  // namespace tessera::linalg
