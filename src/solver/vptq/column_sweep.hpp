#pragma once
#include <vector>

#include "solver/vptq/row_tiles.hpp"
#include "solver/vptq/vector_assigner.hpp"

namespace tessera::solver {

/// One round of coordinate descent over the columns of a tile (vptq.md 8). With everything else fixed the best value of column q is
///
///     quantized_q + gradient_q / square_qq
///
/// and the loss rises with the squared distance from it; a vector changes only where the codebooks offer a nearer one,
/// so the loss never rises. The gradient is kept up to date: inside a panel at once, elsewhere once a panel.
/// @pre tile.gradient belongs to tile.quantized (refresh_gradient)
void sweep_columns(const Matrix<float>& square, const std::vector<Segment>& segments,
                   const std::vector<VectorAssigner>& assigners, RowTile& tile);

}  // namespace tessera::solver
