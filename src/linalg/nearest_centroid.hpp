#pragma once
#include <cstdint>
#include <span>

#include "core/matrix.hpp"

namespace tessera::linalg {

/// Vectors by planes: coordinate t of vector i is data[t * ld + i]. This is how the solver keeps a
/// column (row of W by row), and what lets sixteen vectors share one register.
using Planes = MatrixView<const float>;  // (v, n)

inline constexpr std::size_t kMaxVectorLen = 16;

/// Centroids (K, v), prepared for the search: their halved squared norms beside them.
/// The score of centroid c for x is |c|^2 / 2 - x . c, smallest where |x - c| is.
/// @pre 1 <= v <= kMaxVectorLen, 1 <= K <= 2^24
class CentroidTable {
 public:
  explicit CentroidTable(MatrixView<const float> centroids);
  std::size_t count() const { return centroids_.rows(); }
  std::size_t vector_len() const { return centroids_.cols(); }
  MatrixView<const float> centroids() const { return centroids_; }
  std::span<const float> half_norms() const { return {half_norms_.data(), count()}; }

  /// The search's own copy (linalg/centroid_blocks.hpp).
  const float* blocks() const { return blocks_.data(); }
  std::size_t num_blocks() const { return blocks_.rows(); }

 private:
  Matrix<float> centroids_;   // (K, v)
  Matrix<float> half_norms_;  // (1, K)
  Matrix<float> blocks_;      // (blocks, (v + 1) * lanes)
};

/// index[i] = the centroid nearest to vector i (Euclid); the lowest index among equal scores.
/// Sequential, exact in the sense that it minimizes the score above as computed in fp32. A vector's
/// index does not depend on its neighbours.
/// @pre x.rows == table.vector_len(), index.size() == x.cols
void nearest_centroid(Planes x, const CentroidTable& table, std::span<std::uint32_t> index);

/// The @p index.rows centroids with the smallest scores, nearest first, equal ones by index: index
/// (num_nearest, n).
/// @pre 1 <= index.rows <= table.count(), index.cols == x.cols
void nearest_centroids(Planes x, const CentroidTable& table, MatrixView<std::uint32_t> index);

/// One vector after another in double precision; the oracle of the others (ties and rounding
/// aside).
void nearest_centroid_reference(Planes x, const CentroidTable& table,
                                std::span<std::uint32_t> index);

}  // namespace tessera::linalg
