#pragma once
#include <span>

#include "core/dtype.hpp"
#include "core/matrix.hpp"
#include "solver/integer/integer_tiles.hpp"

namespace tessera::solver {

/// Which scales and zero points a row may have.
struct GridRule {
  int bits = 4;
  bool is_symmetric = true;
  bool search = true;  ///< try narrower ranges
  StoredType scale_type = StoredType::float16;

  float largest_code() const { return static_cast<float>((1 << bits) - 1); }
  float middle_code() const { return static_cast<float>(1 << (bits - 1)); }
  /// GPTQ's first format stores zero - 1, in which 0 cannot be written; it is the format of 4 and 8
  /// bits.
  float least_zero() const { return bits >= 4 ? 1.0f : 0.0f; }
};
GridRule grid_rule(const IntegerSettings& settings, StoredType scale_type);

/// Chooses scale and zero point of every group of a tile's rows (aweq.md section 4): symmetric,
/// scale = max|w| / ((2^b - 1) / 2) with the zero point in the middle; asymmetric, the range from
/// the least to the largest weight, zero included. With rule.search the range is also tried
/// narrower, and what is least in sum_j importance_j (w_j - w^_j)^2 wins. Scales are rounded to the
/// type first. A group of zeros gets scale 1.
/// @param importance (N) by position
void fit_grids(const GridRule& rule, const IntegerLayout& layout,
               std::span<const double> importance, IntegerTile& tile);

/// One symmetric scale for all rows of all tiles, from the largest magnitude.
void fit_tensor_grid(const GridRule& rule, std::span<IntegerTile> tiles);

/// Rounds column @p position as it ought to be, x, on the tile's grid: codes and what they stand
/// for.
void round_to_grid(const GridRule& rule, const IntegerLayout& layout, std::size_t position,
                   std::span<const float> x, IntegerTile& tile, std::span<float> chosen);

}  // namespace tessera::solver
