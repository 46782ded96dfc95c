#pragma once
#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::solver {

/// Some output rows of a layer, transposed: row p of each matrix is the column at position p. Rows
/// of W never influence each other (the loss tr(E H E^T) is a sum over them), so a tile is
/// quantized by one thread from the first column to the last without talking to the others.
struct ColumnTile {
  Tile rows;                ///< outputs of the layer
  Matrix<float> weight;     ///< (N, rows): what is to be quantized
  Matrix<float> quantized;  ///< (N, rows): what stands for it now
  Matrix<float> gradient;   ///< (N, rows): square * (weight - quantized)
};

/// gradient = square * (weight - quantized), and the tile's part of the loss tr(E H E^T).
double refresh_gradient(const Matrix<float>& square, ColumnTile& tile);
double loss_of(const ColumnTile& tile);

}  // namespace tessera::solver
