#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "solver/vptq/column_layout.hpp"
#include "solver/vptq/normalization.hpp"

namespace tessera::solver {

/// Some output rows of a layer, transposed: row p of each matrix is the column at position p, so that a column's vectors lie
/// together. Rows of W never influence each other (the loss is a sum over them), so a tile is quantized by one
/// thread from the first column to the last without talking to the others.
struct RowTile {
  Tile rows;                     ///< outputs of the layer; begins at a multiple of every vector length
  Matrix<float> weight;          ///< (N, rows): normalized weights
  Matrix<float> quantized;       ///< (N, rows): what stands for them now
  Matrix<float> gradient;        ///< (N, rows): square * (weight - quantized)
  Matrix<std::uint16_t> main;    ///< (N, vectors): index of each vector of a column, ceil(rows / v) of them in use
  Matrix<std::uint16_t> residual;  ///< the same, where the segment has a residual codebook

  std::size_t num_full_vectors(std::size_t vector_len) const { return rows.size() / vector_len; }
  std::size_t num_vectors(std::size_t vector_len) const {
    return (rows.size() + vector_len - 1) / vector_len;
  }
};

/// Height of a tile: a multiple of every vector length (and of 16 vectors, which share a register), fixed by the layer's shape.
std::size_t tile_height(std::size_t out_features, const std::vector<Segment>& segments);

/// Cuts, normalizes, permutes and transposes the weights.
std::vector<RowTile> make_row_tiles(Threads& threads, MatrixView<const float> weight, const ColumnNorm& norm,
                                    const ColumnLayout& layout);

/// gradient = square * (weight - quantized), and the tile's part of the loss tr(E H E^T).
double refresh_gradient(const Matrix<float>& square, RowTile& tile);
double loss_of(const RowTile& tile);

}  // namespace tessera::solver
