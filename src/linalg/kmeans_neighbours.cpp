#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "linalg/centroid_blocks.hpp"
#include "linalg/kmeans_neighbour_lists.hpp"
#include "linalg/kmeans_partition.hpp"

namespace tessera::linalg {
namespace {

constexpr std::size_t kVectorsPerPiece = 4096;  // of a group, searched together
constexpr std::size_t kRowsAhead = 12;          // hides a row's way from memory

/// Assigns the vectors of groups, one group after another. The few that lie far from their centroid
/// would need long lists: they are put aside and searched among all centroids.
template <std::size_t V>
class GroupSearch {
 public:
  GroupSearch(const CentroidTable& table, Partition& partition)
      : table_(table), partition_(partition) {}

  void run(std::size_t c, std::span<const std::uint32_t> members) {
    for (std::size_t begin = 0; begin < members.size(); begin += kVectorsPerPiece) {
      run_piece(c, members.subspan(begin, std::min(kVectorsPerPiece, members.size() - begin)));
    }
  }

  /// Searches for those put aside; returns whether any vector changed its centroid.
  bool finish() {
    for (std::size_t begin = 0; begin < far_.size(); begin += kTile) {
      const std::size_t count = std::min(kTile, far_.size() - begin);
      for (std::size_t j = 0; j < count; ++j) put_in_tile(j, far_[begin + j]);
      std::array<std::uint32_t, kTile> nearest;
      nearest_centroid(Planes(planes_.data(), V, count, kTile), table_, {nearest.data(), count});
      for (std::size_t j = 0; j < count; ++j) assign(far_[begin + j], nearest[j]);
    }
    far_.clear();
    return changed_;
  }

 private:
  static constexpr std::size_t kTile = kGroups<V> * kLanes;

  void run_piece(std::size_t c, std::span<const std::uint32_t> members) {
    const float* center = table_.centroids().data + c * V;
    const double norm = std::sqrt(2.0 * static_cast<double>(table_.half_norms()[c])) * kSlack;
    order_.sort(squares_, measure(center, members));
    const std::size_t num_near = members.size() - num_far(members.size());
    for (std::size_t m = num_near; m < members.size(); ++m) far_.push_back(members[order_[m]]);
    float farthest = 0;
    for (std::size_t m = 0; m < num_near; ++m) farthest = std::max(farthest, squares_[order_[m]]);
    neighbours_.collect(table_, c, squared_reach(farthest, norm, V));

    for (std::size_t begin = 0; begin < num_near; begin += kTile) {
      const std::size_t count = std::min(kTile, num_near - begin);
      float u2 = 0;
      for (std::size_t j = 0; j < count; ++j) {
        tile_[j] = members[order_[begin + j]];
        u2 = std::max(u2, squares_[order_[begin + j]]);
        put_in_tile(j, tile_[j]);  // lanes beyond count keep what an earlier tile left there
      }
      const std::size_t num_blocks = neighbours_.num_blocks_within(squared_reach(u2, norm, V));
      if (num_blocks == 0) continue;  // a centroid that is not a number has no neighbours
      if (count <= kLanes) {
        search_tile<1>(count, num_blocks);
      } else {
        search_tile<kGroups<V>>(count, num_blocks);
      }
    }
  }

  /// A search of all K costs as much as a list longer by about K / 50 (measured).
  std::size_t num_far(std::size_t count) const {
    return table_.count() <= 8192 ? count / 32 : table_.count() <= 32768 ? count / 128 : 0;
  }

  /// Squared distances to the centroid; returns the largest.
  float measure(const float* center, std::span<const std::uint32_t> members) {
    squares_.resize(members.size());
    float farthest = 0;
    for (std::size_t m = 0; m < members.size(); ++m) {
      if (m + kRowsAhead < members.size()) {
        __builtin_prefetch(partition_.rows.data() + members[m + kRowsAhead] * (V + 1));
      }
      const float* row = partition_.rows.data() + members[m] * (V + 1);
      float squares = 0;
      for (std::size_t t = 0; t < V; ++t) squares += (row[t] - center[t]) * (row[t] - center[t]);
      squares_[m] = squares;
      farthest = std::max(farthest, squares);
    }
    return farthest;
  }

  void put_in_tile(std::size_t j, std::uint32_t i) {
    const float* row = partition_.rows.data() + i * (V + 1);
    for (std::size_t t = 0; t < V; ++t) planes_[t * kTile + j] = row[t];
  }

  void assign(std::uint32_t i, std::uint32_t c) {
    changed_ = changed_ || partition_.index[i] != c;
    partition_.index[i] = c;
  }

  template <std::size_t G>
  void search_tile(std::size_t count, std::size_t num_blocks) {
    const auto best =
        search_blocks<V, G, true>(neighbours_.blocks(), num_blocks, planes_.data(), kTile);
    std::array<float, G * kLanes> score;
    std::array<float, G * kLanes> number;
    bool any_tied = false;
    for (std::size_t g = 0; g < G; ++g) {
      best.score[g].copy_to(score.data() + g * kLanes, kUnaligned);
      best.block[g].copy_to(number.data() + g * kLanes, kUnaligned);
      any_tied = any_tied || any_of(best.tied[g]);
    }
    for (std::size_t j = 0; j < count; ++j) {
      const float* x = planes_.data() + j;
      const auto block = static_cast<std::size_t>(number[j]);
      const auto same = scores_of_block<V>(neighbours_.blocks() + block * (V + 1) * kLanes, x,
                                           kTile) == spread(score[j]);
      if (none_of(same)) continue;  // not a number: the vector stays where it is
      const std::uint32_t c =
          any_tied || popcount(same) > 1
              ? neighbours_.lowest_with_score(num_blocks, x, kTile, score[j])
              : neighbours_.centroid(block * kLanes +
                                     static_cast<std::size_t>(find_first_set(same)));
      if (c != kNobody) assign(tile_[j], c);  // nobody: scores that overflow
    }
  }

  const CentroidTable& table_;
  Partition& partition_;
  Neighbours<V> neighbours_;
  RoughOrder order_;
  std::vector<float> squares_;
  std::vector<std::uint32_t> far_;
  std::array<std::uint32_t, kTile> tile_{};
  std::array<float, V * kTile> planes_{};
  bool changed_ = false;
};

}  // namespace

bool assign_among_neighbours(Threads& threads, const Groups& groups, const CentroidTable& table,
                             Partition& partition) {
  std::atomic<bool> changed = false;
  const std::size_t k = table.count();
  const std::size_t extent = k / 256 + 1;
  with_vector_len(table.vector_len(), [&](auto v) {
    threads.for_each(num_tiles(k, extent), [&](std::size_t task) {
      GroupSearch<v> search(table, partition);
      const Tile tile = tile_at(task, extent, k);
      for (std::size_t c = tile.begin; c < tile.end; ++c) search.run(c, groups.members(c));
      if (search.finish()) changed = true;
    });
  });
  return changed;
}

}  // namespace tessera::linalg
