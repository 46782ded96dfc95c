#pragma once
#include <cstdint>
#include <span>

#include "core/matrix.hpp"

namespace tessera::linalg {

/// Vectors by planes: coordinate t of vector i is data[t * ld + i]. This is how the solver keeps a column (row of W by row), and
/// what lets sixteen vectors share one register.
using Planes = MatrixView<const float>;  // (v, n)

/// Centroids (K, v), prepared for the search: their halved squared norms beside them.
/// The score of centroid c for x is |c|^2 / 2 - x . c, smallest where |x - c| is.
class CentroidTable {
 public:
  explicit CentroidTable(MatrixView<const float> centroids);
  std::size_t count() const { return centroids_.rows(); }
  std::size_t vector_len() const { return centroids_.cols(); }
  MatrixView<const float> centroids() const { return centroids_; }
  std::span<const float> half_norms() const { return {half_norms_.data(), count()}; }

 private:
  Matrix<float> centroids_;   // (K, v)
  Matrix<float> half_norms_;  // (1, K)
};

/// index[i] = the centroid nearest to vector i (Euclid); the lowest index among equal scores. Sequential, exact in the
/// sense that it minimizes the score above as computed in fp32.
/// @pre x.rows == table.vector_len(), index.size() == x.cols
void nearest_centroid(Planes x, const CentroidTable& table, std::span<std::uint32_t> index);

/// The @p num_nearest centroids with the smallest scores, nearest first: index (num_nearest, n).
/// @pre 1 <= index.rows <= table.count()
void nearest_centroids(Planes x, const CentroidTable& table, MatrixView<std::uint32_t> index);

/// One vector after another in double precision; the oracle of the others (ties and rounding aside).
void nearest_centroid_reference(Planes x, const CentroidTable& table, std::span<std::uint32_t> index);

}  // namespace tessera::linalg
