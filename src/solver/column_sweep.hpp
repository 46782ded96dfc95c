#pragma once
#include <functional>
#include <span>

#include "core/matrix.hpp"
#include "solver/column_tile.hpp"

namespace tessera::solver {

/// Moves what stands for column @p position where something nearer to @p target is to be had,
/// writes it to tile.quantized, and gives change = new - old (rows; zero where nothing moved). True
/// when anything moved.
using ImproveColumn = std::function<bool(std::size_t position, std::span<const float> target,
                                         std::span<float> change)>;

/// One round of coordinate descent over the columns of a tile (vptq.md 8). With everything else
/// fixed the best value of column q is
///
///     target_q = quantized_q + gradient_q / square_qq
///
/// and the loss rises with the squared distance from it; @p improve only ever goes nearer, so the
/// loss never rises. The gradient is kept up to date: inside a panel at once, elsewhere once a
/// panel.
/// @pre tile.gradient belongs to tile.quantized (refresh_gradient)
void sweep_columns(const Matrix<float>& square, const ImproveColumn& improve, ColumnTile& tile);

}  // namespace tessera::solver
