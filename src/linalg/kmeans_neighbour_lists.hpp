#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "linalg/centroid_blocks.hpp"

// Exact search among the neighbours of the present centroid (the triangle inequality: Elkan 2003;
// lists of neighbours sorted by distance: Hamerly's exponion, Newling and Fleuret 2016).
//
// Let x belong to c, u = |x - c| and D = |c - c'| >= u. Then |x - c'| >= D - u, and with true
// scores
//     s(c') - s(c) = (|x - c'|^2 - u^2) / 2 >= ((D - u)^2 - u^2) / 2 = D (D - 2u) / 2.
// A score as computed has at most 2v + 2 roundings of terms bounded by |c|^2 / 2 + |x| |c|, so it
// is off by no more than
//     e(|c|) = k (|c|^2 / 2 + |x| |c|),  k = (2v + 4) 2^-24.
// With P = |c|, |x| <= P + u and |c'| <= P + D, the computed score of c' is above that of c,
// strictly, when
//     D (D - 2u) > 4 k ((P + D)^2 / 2 + (P + u) (P + D)) >= 2 (e(|c|) + e(|c'|)).
// That is a parabola in D: it holds for every D beyond its larger root, `reach` below. So the
// centroids with D <= reach(u) hold every candidate for the smallest computed score, all ties
// included, and the index found is the one that a search of all centroids finds. Distances as
// computed are off by a few roundings relative to themselves, which kSlack covers.
namespace tessera::linalg {

inline constexpr int kBins = 64;
inline constexpr float kLastBin = kBins - 1;
inline constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();
inline constexpr double kSlack = 1.0 + 1e-5;      // (v + 4) 2^-22 is below 5e-6
inline constexpr double kSmallestSquare = 1e-36;  // below it, squares lose digits to underflow

/// Beyond this squared distance from its centroid (at @p norm from the origin) nothing can be
/// nearer to a vector at squared distance @p u2 from it.
inline float squared_reach(float u2, double norm, std::size_t v) {
  const double u = std::sqrt(static_cast<double>(u2) * kSlack);
  const double k = static_cast<double>(2 * v + 4) * 0x1.0p-24;
  const double b = 2 * u + 4 * k * (2 * norm + u);
  const double c = 4 * k * norm * (1.5 * norm + u) + kSmallestSquare;
  const double a = 1 - 2 * k;
  const double reach = (b + std::sqrt(b * b + 4 * a * c)) / (2 * a);
  return static_cast<float>(reach * reach * kSlack);
}

/// Order of @p values by bins of equal width between 0 and the largest: sorted as well as a tile
/// needs it.
class RoughOrder {
 public:
  void sort(std::span<const float> values, float largest) {
    const float scale = largest > 0 ? static_cast<float>(kBins) / largest : 0.0F;
    bin_.resize(values.size());
    order_.resize(values.size());
    std::uint8_t* bin = bin_.data();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float place = values[i] * scale;
      bin[i] = static_cast<std::uint8_t>(place < kLastBin ? static_cast<int>(place) : kBins - 1);
    }
    std::array<std::uint32_t, kBins + 1> begin{};
    for (std::size_t i = 0; i < values.size(); ++i) ++begin[bin[i] + 1U];
    for (int b = 0; b < kBins; ++b) begin[b + 1] += begin[b];
    std::uint32_t* order = order_.data();
    for (std::uint32_t i = 0; i < values.size(); ++i) order[begin[bin[i]]++] = i;
  }
  std::uint32_t operator[](std::size_t place) const { return order_[place]; }

 private:
  std::vector<std::uint8_t> bin_;
  std::vector<std::uint32_t> order_;
};

/// The centroids around one centroid, nearest first, in blocks.
template <std::size_t V>
class Neighbours {
 public:
  /// All centroids at a squared distance of at most @p reach2 from centroid @p c.
  void collect(const CentroidTable& table, std::size_t c, float reach2) {
    const std::size_t size = table.num_blocks() * kLanes;
    found_.resize(size);
    distance_.resize(size);
    const float* center = table.centroids().data + c * V;
    std::size_t count = 0;
    for (std::size_t b = 0; b < table.num_blocks(); ++b) {
      const float* block = table.blocks() + b * (V + 1) * kLanes;
      Lanes squares = spread(0.0F);
      for (std::size_t t = 0; t < V; ++t) {
        const Lanes d = Lanes(block + t * kLanes, kUnaligned) - spread(center[t]);
        squares += d * d;
      }
      if (none_of(squares <= spread(reach2))) continue;
      std::array<float, kLanes> d2;
      squares.copy_to(d2.data(), kUnaligned);
      // Written always, kept where near: no branch to guess.
      for (std::size_t j = 0; j < kLanes; ++j) {
        found_[count] = static_cast<std::uint32_t>(b * kLanes + j);
        distance_[count] = d2[j];
        count += d2[j] <= reach2 ? 1 : 0;
      }
    }
    while (count > 0 && found_[count - 1] >= table.count()) --count;  // padding of the last block
    sort_into_blocks(table, count, reach2);
  }

  /// Blocks that hold all centroids within @p reach2.
  std::size_t num_blocks_within(float reach2) const {
    const auto beyond = std::upper_bound(nearest_from_.begin(), nearest_from_.end(), reach2);
    return static_cast<std::size_t>(beyond - nearest_from_.begin());
  }
  const float* blocks() const { return blocks_.data(); }
  std::uint32_t centroid(std::size_t position) const { return number_[position]; }

  /// The lowest centroid of the first @p num_blocks blocks that has this very score for the vector.
  std::uint32_t lowest_with_score(std::size_t num_blocks, const float* x, std::size_t ld,
                                  float score) const {
    std::uint32_t lowest = kNobody;
    for (std::size_t b = 0; b < num_blocks; ++b) {
      const auto same = scores_of_block<V>(blocks() + b * (V + 1) * kLanes, x, ld) == spread(score);
      for (std::size_t j = 0; j < kLanes; ++j) {
        if (same[j]) lowest = std::min(lowest, number_[b * kLanes + j]);
      }
    }
    return lowest;
  }

 private:
  void sort_into_blocks(const CentroidTable& table, std::size_t count, float reach2) {
    const std::size_t num_blocks = (count + kLanes - 1) / kLanes;
    order_.sort(std::span(distance_).first(count), reach2);
    number_.assign(num_blocks * kLanes, kNobody);
    blocks_.resize(num_blocks * (V + 1) * kLanes);
    nearest_from_.assign(num_blocks, std::numeric_limits<float>::max());
    const float* centroids = table.centroids().data;
    const float* half_norms = table.half_norms().data();
    for (std::size_t p = 0; p < count; ++p) {
      const std::size_t c = found_[order_[p]];
      number_[p] = static_cast<std::uint32_t>(c);
      float* lane = blocks_.data() + (p / kLanes) * (V + 1) * kLanes + p % kLanes;
      for (std::size_t t = 0; t < V; ++t) lane[t * kLanes] = centroids[c * V + t];
      lane[V * kLanes] = half_norms[c];
      float& nearest = nearest_from_[p / kLanes];
      nearest = std::min(nearest, distance_[order_[p]]);
    }
    pad_last_block(blocks_.data(), count, V);
    for (std::size_t b = num_blocks; b-- > 1;) {
      nearest_from_[b - 1] = std::min(nearest_from_[b - 1], nearest_from_[b]);
    }
  }

  std::vector<std::uint32_t> found_;
  std::vector<float> distance_;
  RoughOrder order_;
  std::vector<std::uint32_t> number_;
  std::vector<float> blocks_;
  std::vector<float> nearest_from_;  // smallest squared distance from a block on
};

}  // namespace tessera::linalg
