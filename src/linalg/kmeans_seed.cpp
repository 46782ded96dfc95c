#include <algorithm>
#include <limits>
#include <vector>

#include "linalg/centroid_blocks.hpp"
#include "linalg/kmeans.hpp"

// k-means++ costs one pass over the vectors per centroid. On a random subset of a few dozen vectors
// per centroid it costs less than an iteration of the k-means that follows, and what that ends with
// differs by less than seeds do.
namespace tessera::linalg {
namespace {

constexpr std::size_t kVectorsPerTask = 16384;

std::size_t subset_size(std::size_t n, std::size_t num_centroids) {
  const std::size_t per_centroid = num_centroids <= 8192 ? 32 : 8;
  return std::min(n, std::max<std::size_t>(8192, per_centroid * num_centroids));
}

/// One random vector out of each of m equal stretches, by planes; the last plane holds the weights.
Matrix<float> draw_subset(Planes x, std::span<const float> weights, std::size_t m,
                          const CounterRandom& random) {
  Matrix<float> subset(x.rows + 1, m);
  for (std::size_t s = 0; s < m; ++s) {
    const std::size_t begin = s * x.cols / m;
    const std::size_t end = (s + 1) * x.cols / m;
    const std::size_t i = begin + random.below(s, end - begin);
    for (std::size_t t = 0; t < x.rows; ++t) subset(t, s) = x(t, i);
    subset(x.rows, s) = weights[i];
  }
  return subset;
}

/// D^2 sampling: a vector's chance is its weight times its squared distance to the nearest centroid
/// so far.
class Sampler {
 public:
  Sampler(Threads& threads, const Matrix<float>& subset)
      : threads_(threads),
        subset_(subset),
        mass_(subset.cols()),
        distance_(subset.cols(), std::numeric_limits<float>::max()),
        chunk_mass_(num_tiles(subset.cols(), kVectorsPerTask)) {
    std::copy_n(subset.row(subset.rows() - 1), mass_.size(), mass_.begin());
    for (std::size_t chunk = 0; chunk < chunk_mass_.size(); ++chunk) sum_chunk(chunk);
  }

  /// The vector at @p share (0 ... 1) of the whole mass; any vector when there is no mass.
  std::size_t at(double share) const {
    double total = 0;
    for (const double part : chunk_mass_) total += part;
    if (!(total > 0)) return static_cast<std::size_t>(share * static_cast<double>(mass_.size()));
    double rest = share * total;
    std::size_t chunk = 0;
    while (chunk + 1 < chunk_mass_.size() && rest >= chunk_mass_[chunk])
      rest -= chunk_mass_[chunk++];
    const Tile tile = tile_at(chunk, kVectorsPerTask, mass_.size());
    std::size_t last_with_mass = tile.begin;
    for (std::size_t i = tile.begin; i < tile.end; ++i) {
      if (!(mass_[i] > 0)) continue;
      last_with_mass = i;
      rest -= mass_[i];
      if (rest < 0) break;
    }
    return last_with_mass;
  }

  void add_centroid(const float* centroid) {
    const auto update = [&](std::size_t chunk) {
      with_vector_len(subset_.rows() - 1, [&](auto v) { update_chunk<v>(chunk, centroid); });
      sum_chunk(chunk);
    };
    if (chunk_mass_.size() == 1) return update(0);  // not worth waking the team
    threads_.for_each(chunk_mass_.size(), update);
  }

 private:
  template <std::size_t V>
  void update_chunk(std::size_t chunk, const float* centroid) {
    const Tile tile = tile_at(chunk, kVectorsPerTask, mass_.size());
    const float* x = subset_.data();
    const std::size_t ld = subset_.cols();
    std::size_t i = tile.begin;
    for (; i + kLanes <= tile.end; i += kLanes) {
      Lanes squares = spread(0.0F);
      for (std::size_t t = 0; t < V; ++t) {
        const Lanes d = Lanes(x + t * ld + i, kUnaligned) - spread(centroid[t]);
        squares += d * d;
      }
      squares = std::experimental::min(squares, Lanes(distance_.data() + i, kUnaligned));
      squares.copy_to(distance_.data() + i, kUnaligned);
      (squares * Lanes(x + V * ld + i, kUnaligned)).copy_to(mass_.data() + i, kUnaligned);
    }
    for (; i < tile.end; ++i) {
      float squares = 0;
      for (std::size_t t = 0; t < V; ++t) {
        const float d = x[t * ld + i] - centroid[t];
        squares += d * d;
      }
      distance_[i] = std::min(distance_[i], squares);
      mass_[i] = distance_[i] * x[V * ld + i];
    }
  }

  void sum_chunk(std::size_t chunk) {
    const Tile tile = tile_at(chunk, kVectorsPerTask, mass_.size());
    double sums[8] = {};  // eight chains of additions, so that none waits
    for (std::size_t i = tile.begin; i < tile.end; ++i) sums[(i - tile.begin) % 8] += mass_[i];
    chunk_mass_[chunk] = 0;
    for (const double sum : sums) chunk_mass_[chunk] += sum;
  }

  Threads& threads_;
  const Matrix<float>& subset_;
  std::vector<float> mass_;
  std::vector<float> distance_;
  std::vector<double> chunk_mass_;
};

}  // namespace

Matrix<float> seed_centroids(Threads& threads, Planes x, std::span<const float> weights,
                             std::size_t num_centroids, const CounterRandom& random) {
  require(weights.size() == x.cols, "k-means needs one weight per vector");
  require(num_centroids >= 1 && num_centroids <= x.cols,
          "k-means needs at least one vector per centroid");
  const std::size_t m = subset_size(x.cols, num_centroids);
  const auto subset = draw_subset(x, weights, m, random);
  Sampler sampler(threads, subset);
  Matrix<float> centroids(num_centroids, x.rows);
  for (std::size_t c = 0; c < num_centroids; ++c) {
    const std::size_t i = sampler.at(random.uniform(m + c));
    for (std::size_t t = 0; t < x.rows; ++t) centroids(c, t) = subset(t, i);
    sampler.add_centroid(centroids.row(c));
  }
  return centroids;
}

}  // namespace tessera::linalg
