#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "linalg/centroid_blocks.hpp"
#include "linalg/nearest_centroid.hpp"

namespace tessera::linalg {
namespace {

/// The smallest scores so far of kLanes vectors, sorted, with the numbers of their centroids (exact
/// as floats).
class Ranking {
 public:
  explicit Ranking(std::size_t size) : ranks_(size) {}

  void clear() {
    std::fill(ranks_.begin(), ranks_.end(),
              Rank{spread(std::numeric_limits<float>::infinity()), spread(0.0F)});
  }
  Lanes worst_score() const { return ranks_.back().score; }
  Lanes centroid(std::size_t rank) const { return ranks_[rank].centroid; }

  /// Lets a newcomer sink to its place in every lane; an equal score stays behind the one that came
  /// first.
  void insert(Lanes score, Lanes centroid) {
    for (Rank& rank : ranks_) {
      const auto better = score < rank.score;
      const Rank old = rank;
      where(better, rank.score) = score;
      where(better, rank.centroid) = centroid;
      where(better, score) = old.score;
      where(better, centroid) = old.centroid;
    }
  }

 private:
  struct Rank {
    Lanes score;
    Lanes centroid;
  };
  std::vector<Rank> ranks_;
};

/// Scores of centroid @p j of a block for the vectors in the lanes.
template <std::size_t V>
Lanes score_of_centroid(const float* block, std::size_t j, const std::array<Lanes, V>& x) {
  Lanes score = spread(block[V * kLanes + j]);
  for (std::size_t t = 0; t < V; ++t) score -= x[t] * spread(block[t * kLanes + j]);
  return score;
}

template <std::size_t V>
void rank_tile(const float* x, std::size_t ld, const CentroidTable& table, Ranking& best) {
  std::array<Lanes, V> coordinates;
  for (std::size_t t = 0; t < V; ++t) coordinates[t] = Lanes(x + t * ld, kUnaligned);
  best.clear();
  for (std::size_t c = 0; c < table.count(); ++c) {
    const float* block = table.blocks() + c / kLanes * (V + 1) * kLanes;
    const Lanes score = score_of_centroid<V>(block, c % kLanes, coordinates);
    if (any_of(score < best.worst_score())) best.insert(score, spread(static_cast<float>(c)));
  }
}

template <std::size_t V>
void rank_all(Planes x, const CentroidTable& table, MatrixView<std::uint32_t> index) {
  Ranking best(index.rows);
  std::array<float, V * kLanes> padded{};
  std::array<float, kLanes> numbers;
  for (std::size_t i = 0; i < x.cols; i += kLanes) {
    const std::size_t count = std::min(kLanes, x.cols - i);
    if (count == kLanes) {
      rank_tile<V>(x.data + i, x.ld, table, best);
    } else {
      for (std::size_t t = 0; t < V; ++t) {
        std::copy_n(x.data + t * x.ld + i, count, padded.data() + t * kLanes);
      }
      rank_tile<V>(padded.data(), kLanes, table, best);
    }
    for (std::size_t r = 0; r < index.rows; ++r) {
      best.centroid(r).copy_to(numbers.data(), kUnaligned);
      for (std::size_t j = 0; j < count; ++j) {
        index.row(r)[i + j] = static_cast<std::uint32_t>(numbers[j]);
      }
    }
  }
}

}  // namespace

void nearest_centroids(Planes x, const CentroidTable& table, MatrixView<std::uint32_t> index) {
  require(x.rows == table.vector_len(), "vectors and centroids must have the same length");
  require(index.cols == x.cols, "nearest_centroids needs one column of indices per vector");
  require(index.rows >= 1 && index.rows <= table.count(),
          "nearest_centroids cannot find more centroids than there are");
  with_vector_len(x.rows, [&](auto v) { rank_all<v>(x, table, index); });
}

}  // namespace tessera::linalg
