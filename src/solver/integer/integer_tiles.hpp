#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/dtype.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "solver/column_tile.hpp"
#include "solver/integer/integer_settings.hpp"

namespace tessera::solver {

/// In which order columns are quantized and which group each belongs to. Groups are consecutive
/// columns of the layer, whatever the order: no engine needs a group index.
struct IntegerLayout {
  std::vector<std::uint32_t> perm;                    ///< position -> column
  std::size_t group_size = 0;                         ///< columns
  std::vector<std::uint32_t> group_of;                ///< position -> group
  std::vector<std::vector<std::uint32_t>> positions;  ///< group -> its positions, ascending
};

/// @param importance (N): the diagonal of the Hessian; the order goes by it downwards where
/// settings ask for that.
IntegerLayout lay_out_integers(std::span<const double> importance, const IntegerSettings& settings);

/// A tile with its integers: w ~ scale * (code - zero), scale and zero by group and row.
struct IntegerTile : ColumnTile {
  Matrix<std::uint8_t> codes;  ///< (N, rows)
  Matrix<float> scale, zero;   ///< (G, rows)
};

/// Cuts, permutes and transposes the weights; no scales yet.
std::vector<IntegerTile> make_integer_tiles(Threads& threads, MatrixView<const float> weight,
                                            const IntegerLayout& layout);

/// To the nearest integer, halves to the even one; vectorizes. @pre |x| < 2^22
inline float round_half_even(float x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: its last bit is worth one
  return (x + kMagic) - kMagic;
}

/// The nearest of the codes 0 ... largest. @pre scale > 0
inline float nearest_code(float x, float inverse_scale, float zero, float largest) {
  const float shifted = x * inverse_scale + zero;
  const float clamped = shifted < 0.0f ? 0.0f : (shifted > largest ? largest : shifted);
  return round_half_even(clamped);
}

}  // namespace tessera::solver
