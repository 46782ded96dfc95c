#pragma once
#include <cstddef>
#include <optional>

#include "core/matrix.hpp"

namespace tessera::forward {

/// One head of one sequence, after norms and rotation.
struct AttentionHead {
  MatrixView<float> queries;       ///< (length, head_dim); the result replaces them
  MatrixView<const float> keys;    ///< (start + length, head_dim)
  MatrixView<const float> values;  ///< (start + length, head_dim)
  std::optional<std::size_t>
      window;             ///< positions a query sees, its own included; none: all before it
  std::size_t start = 0;  ///< position of the first query; keys and values begin at position 0
};

inline constexpr std::size_t kKeyTile = 128;  ///< keys whose scores are in cache at a time

/// Causal attention of the queries [first, first + count): softmax(q k^T / sqrt(head_dim)) v over
/// the keys each may see. Keys come in tiles; each query keeps the maximum, the sum and the
/// weighted values so far (Milakov and Gimelshein 2018, Dao et al. 2022), so that scores never
/// leave the cache and any length takes the same scratch. Sequential.
/// @param scores (at least count, kKeyTile)  @param weighted (at least count, head_dim); both are
/// overwritten
void attend(const AttentionHead& head, std::size_t first, std::size_t count,
            MatrixView<float> scores, MatrixView<float> weighted);

}  // namespace tessera::forward
