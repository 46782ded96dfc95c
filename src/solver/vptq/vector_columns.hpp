#pragma once
#include <vector>

#include "solver/column_pass.hpp"
#include "solver/column_sweep.hpp"
#include "solver/vptq/row_tiles.hpp"
#include "solver/vptq/vector_assigner.hpp"

// The column pass and the sweep over columns with codebooks: what the general ones call for each
// column.
namespace tessera::solver {

/// Fills tile.main, tile.residual, tile.quantized (column_pass.hpp). @param assigners one per
/// segment
void quantize_columns(const Matrix<float>& inverse_upper, const std::vector<Segment>& segments,
                      const std::vector<VectorAssigner>& assigners, RowTile& tile);
void quantize_columns_reference(const Matrix<float>& inverse_upper,
                                const std::vector<Segment>& segments,
                                const std::vector<VectorAssigner>& assigners, RowTile& tile);

/// One sweep (column_sweep.hpp): a vector changes only where the codebooks offer a nearer one.
void sweep_columns(const Matrix<float>& square, const std::vector<Segment>& segments,
                   const std::vector<VectorAssigner>& assigners, RowTile& tile);

/// The indices a column of this segment uses in the tile.
std::span<std::uint16_t> main_of(RowTile& tile, const Segment& segment, std::size_t position);
std::span<std::uint16_t> residual_of(RowTile& tile, const Segment& segment, std::size_t position);

}  // namespace tessera::solver
