#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "solver/column_tile.hpp"
#include "solver/vptq/column_layout.hpp"
#include "solver/vptq/normalization.hpp"

namespace tessera::solver {

/// A tile with its indices, and normalized weights. Its rows begin at a multiple of every vector
/// length, so that a column's vectors lie together.
struct RowTile : ColumnTile {
  Matrix<std::uint16_t>
      main;  ///< (N, vectors): index of each vector of a column, ceil(rows / v) of them in use
  Matrix<std::uint16_t> residual;  ///< the same, where the segment has a residual codebook

  std::size_t num_full_vectors(std::size_t vector_len) const { return rows.size() / vector_len; }
  std::size_t num_vectors(std::size_t vector_len) const {
    return (rows.size() + vector_len - 1) / vector_len;
  }
};

/// Height of a tile: a multiple of every vector length (and of 16 vectors, which share a register),
/// fixed by the layer's shape.
std::size_t tile_height(std::size_t out_features, const std::vector<Segment>& segments);

/// Cuts, normalizes, permutes and transposes the weights.
std::vector<RowTile> make_row_tiles(Threads& threads, MatrixView<const float> weight,
                                    const ColumnNorm& norm, const ColumnLayout& layout);

}  // namespace tessera::solver
