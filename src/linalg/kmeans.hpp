#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/random.hpp"
#include "core/threads.hpp"
#include "linalg/nearest_centroid.hpp"

namespace tessera::linalg {

struct KmeansSettings {
  std::size_t num_centroids = 256;
  int max_iterations = 25;
  double tolerance =
      1e-5;  ///< stops when the inertia falls by less than this share in one iteration
};

struct KmeansResult {
  Matrix<float> centroids;           ///< (K, v)
  std::vector<std::uint32_t> index;  ///< (n), nearest centroid of each vector under `centroids`
  double inertia = 0;                ///< sum_i weight_i |x_i - c_index(i)|^2
  int num_iterations = 0;
};

/// Weighted k-means (Lloyd 1982), exact: each iteration assigns every vector to its nearest
/// centroid, with the result of nearest_centroid. Same inputs give the same bits for any number of
/// threads. A centroid whose vectors have no weight left moves to the vector that contributes most
/// to the inertia, several such centroids to as many vectors; none moves to a vector that
/// contributes nothing. With many centroids only the neighbours of a vector's last one are searched
/// (kmeans_neighbour_lists.hpp).
///
/// @param x vectors by planes (v, n)  @param weights (n), non-negative; vectors of weight 0 are
/// assigned and move nothing
/// @pre 1 <= num_centroids <= n
KmeansResult kmeans(Threads& threads, Planes x, std::span<const float> weights,
                    const KmeansSettings& settings, const CounterRandom& random);

/// From given centroids (K, v) instead of k-means++ ones (settings.num_centroids is not read).
KmeansResult kmeans_from(Threads& threads, Planes x, std::span<const float> weights,
                         const KmeansSettings& settings, MatrixView<const float> start);

/// k-means++ (Arthur and Vassilvitskii 2007) on weighted vectors; for large n * K on a fixed random
/// subset.
Matrix<float> seed_centroids(Threads& threads, Planes x, std::span<const float> weights,
                             std::size_t num_centroids, const CounterRandom& random);

/// Lloyd's iterations in double precision, in the plainest form; the oracle of the others.
KmeansResult kmeans_reference(Planes x, std::span<const float> weights,
                              const KmeansSettings& settings, MatrixView<const float> start);

}  // namespace tessera::linalg
