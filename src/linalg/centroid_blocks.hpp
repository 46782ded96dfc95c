#pragma once
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

#include <experimental/simd>

#include "core/error.hpp"
#include "linalg/nearest_centroid.hpp"

// The inner loops of the nearest-centroid search, shared by nearest_centroid and kmeans. Not for
// others.
//
// Centroids lie in blocks of kLanes by planes: element t * kLanes + j of a block is coordinate t of
// its centroid j, and plane v holds the halved squared norms. Lanes beyond the last centroid have
// an infinite norm, which loses every search.
//
// A search reads a block in two ways. With vectors in the lanes, centroids are broadcast one after
// another and only the smallest score is kept, with the number of its block. Then, vector by vector
// and with the winning block's centroids in the lanes, the scores are computed again to see whose
// it was. Both ways subtract x_t * c_t from the half norm in the order of t, so that a score has
// the same bits in both.
namespace tessera::linalg {

using Lanes = std::experimental::native_simd<float>;
inline constexpr std::size_t kLanes = Lanes::size();
inline constexpr auto kUnaligned = std::experimental::element_aligned;

/// @p x in every lane. Where much is inlined, GCC 12 calls simd's own broadcast out of line and
/// fills lane by lane.
inline Lanes spread(float x) {
  using Register [[gnu::vector_size(sizeof(float) * kLanes)]] = float;
  return Lanes(x - Register{});
}

inline std::size_t block_floats(std::size_t vector_len) {
  return (vector_len + 1) * kLanes;
}

/// Writes centroid @p c (v coordinates) with its half norm as number @p position of @p blocks.
inline void put_in_block(float* blocks, std::size_t position, const float* c, float half_norm,
                         std::size_t vector_len) {
  float* lane = blocks + (position / kLanes) * block_floats(vector_len) + position % kLanes;
  for (std::size_t t = 0; t < vector_len; ++t) lane[t * kLanes] = c[t];
  lane[vector_len * kLanes] = half_norm;
}

/// Fills the lanes of the last block from @p count on.
inline void pad_last_block(float* blocks, std::size_t count, std::size_t vector_len) {
  static constexpr float kZeros[kMaxVectorLen] = {};
  for (std::size_t position = count; position % kLanes != 0; ++position) {
    put_in_block(blocks, position, kZeros, std::numeric_limits<float>::infinity(), vector_len);
  }
}

/// Calls @p body with v as a constant, so that its loops over coordinates unroll into registers.
template <class Body>
decltype(auto) with_vector_len(std::size_t vector_len, Body&& body) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    const bool known =
        ((vector_len == I + 1 ? (body(std::integral_constant<std::size_t, I + 1>()), true)
                              : false) ||
         ...);
    require(known, "vector length must lie between 1 and kMaxVectorLen");
  }
  (std::make_index_sequence<kMaxVectorLen>());
}

/// How many registers of vectors are searched together: what hides the latency of the multiply-adds
/// without spilling.
template <std::size_t V>
inline constexpr std::size_t kGroups = [] {
  constexpr std::size_t registers = kLanes == 16 ? 32 : 16;
  constexpr std::size_t groups = (registers - 3) / (V + 2);
  return groups < 1 ? std::size_t{1} : groups > 4 ? std::size_t{4} : groups;
}();

/// Scores of the kLanes centroids of @p block for one vector, coordinate t at x[t * ld].
template <std::size_t V>
inline Lanes scores_of_block(const float* block, const float* x, std::size_t ld) {
  Lanes score(block + V * kLanes, kUnaligned);
  for (std::size_t t = 0; t < V; ++t) {
    score -= spread(x[t * ld]) * Lanes(block + t * kLanes, kUnaligned);
  }
  return score;
}

/// Smallest score and number of the first block that has it, for G * kLanes vectors.
template <std::size_t G>
struct Winners {
  Lanes score[G];
  Lanes block[G];            ///< numbers below 2^24, exact as floats
  Lanes::mask_type tied[G];  ///< a later block has the same smallest score
};

/// Searches @p num_blocks blocks for the G * kLanes vectors at @p x (planes, ld). kTies: also says
/// where blocks tie.
template <std::size_t V, std::size_t G, bool kTies>
Winners<G> search_blocks(const float* blocks, std::size_t num_blocks, const float* x,
                         std::size_t ld) {
  Lanes coordinates[G][V];
  Winners<G> best;
  for (std::size_t g = 0; g < G; ++g) {
    for (std::size_t t = 0; t < V; ++t) {
      coordinates[g][t] = Lanes(x + t * ld + g * kLanes, kUnaligned);
    }
    best.score[g] = spread(std::numeric_limits<float>::infinity());
    best.block[g] = spread(0.0F);
    best.tied[g] = Lanes::mask_type(false);
  }
  for (std::size_t b = 0; b < num_blocks; ++b) {
    const float* block = blocks + b * (V + 1) * kLanes;
    Lanes smallest[G];
    for (Lanes& lanes : smallest) lanes = spread(std::numeric_limits<float>::infinity());
    for (std::size_t j = 0; j < kLanes; ++j) {
      Lanes score[G];
      for (std::size_t g = 0; g < G; ++g) score[g] = spread(block[V * kLanes + j]);
      for (std::size_t t = 0; t < V; ++t) {
        const Lanes c = spread(block[t * kLanes + j]);
        for (std::size_t g = 0; g < G; ++g) score[g] -= coordinates[g][t] * c;
      }
      for (std::size_t g = 0; g < G; ++g) {
        smallest[g] = std::experimental::min(smallest[g], score[g]);
      }
    }
    for (std::size_t g = 0; g < G; ++g) {
      const auto better = smallest[g] < best.score[g];
      if constexpr (kTies) {
        best.tied[g] = (best.tied[g] && !better) || smallest[g] == best.score[g];
      }
      where(better, best.block[g]) = spread(static_cast<float>(b));
      best.score[g] = std::experimental::min(best.score[g], smallest[g]);
    }
  }
  return best;
}

/// The lane of @p block whose score for the vector is @p score, the lowest one; 0 when there is
/// none (a NaN).
template <std::size_t V>
inline std::size_t lane_of_score(const float* block, const float* x, std::size_t ld, float score) {
  const auto same = scores_of_block<V>(block, x, ld) == spread(score);
  return any_of(same) ? static_cast<std::size_t>(find_first_set(same)) : 0;
}

}  // namespace tessera::linalg
