#pragma once
#include "solver/integer/integer_grid.hpp"

namespace tessera::solver {

/// Up to @p rounds rounds of scale re-estimation and one sweep over the columns of a tile; the loss
/// tr(E H E^T) never rises. Ends early when a round gains less than a share of 5e-4. Returns the
/// loss.
///
/// Scale re-estimation: with the integers fixed, a row's loss is quadratic in its scales s: with
/// c_g the row's integers (code - zero) of group g and zero elsewhere,
///
///     (C^T H C) ds = C^T H (w - w^)         C = [c_1 ... c_G]
///
/// solved exactly for kGroupsAtOnce groups at a time. A row keeps its old scales where rounding to
/// the type would raise its loss.
/// @pre tile.codes, scale, zero and quantized belong together
double refine_integers(const Matrix<float>& square, const GridRule& rule,
                       const IntegerLayout& layout, int rounds, IntegerTile& tile);
inline constexpr std::size_t kGroupsAtOnce = 32;

/// The first half of a round. @pre tile.gradient belongs to tile.quantized, and does again
/// afterwards
void reestimate_scales(const Matrix<float>& square, const GridRule& rule,
                       const IntegerLayout& layout, IntegerTile& tile);

}  // namespace tessera::solver
