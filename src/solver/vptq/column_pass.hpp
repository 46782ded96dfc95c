#pragma once
#include <vector>

#include "solver/vptq/row_tiles.hpp"
#include "solver/vptq/vector_assigner.hpp"

namespace tessera::solver {

/// Quantizes a tile column by column, each column's error pushed onto the columns not yet done (vptq.md 1.7): for position q
///
///     x_q = w_q - sum_{k < q} U_kq e_k      e_q = (x_q - quantized_q) / U_qq
///
/// Fills tile.main, tile.residual, tile.quantized. Columns go in panels of kPanel: what earlier panels left is
/// subtracted by one matrix product, inside a panel it is subtracted at once.
/// @param inverse_upper (N, N): U  @param assigners one per segment
void quantize_columns(const Matrix<float>& inverse_upper, const std::vector<Segment>& segments,
                      const std::vector<VectorAssigner>& assigners, RowTile& tile);

/// The recursion as it stands above, in double precision, column by column; the oracle of the other.
void quantize_columns_reference(const Matrix<float>& inverse_upper, const std::vector<Segment>& segments,
                                const std::vector<VectorAssigner>& assigners, RowTile& tile);

inline constexpr std::size_t kPanel = 64;

/// The indices a column of this segment uses in the tile.
std::span<std::uint16_t> main_of(RowTile& tile, const Segment& segment, std::size_t position);
std::span<std::uint16_t> residual_of(RowTile& tile, const Segment& segment, std::size_t position);

}  // namespace tessera::solver
