#include "solver/column_tile.hpp"

#include "linalg/gemm.hpp"

namespace tessera::solver {

double refresh_gradient(const Matrix<float>& square, ColumnTile& tile) {
  Matrix<float> error(tile.weight.rows(), tile.weight.cols());
  for (std::size_t k = 0; k < error.size(); ++k) {
    error.data()[k] = tile.weight.data()[k] - tile.quantized.data()[k];
  }
  linalg::gemm(1, square, linalg::Transposed::no, error, linalg::Transposed::no, 0, tile.gradient);
  return loss_of(tile);
}

double loss_of(const ColumnTile& tile) {
  double loss = 0;
  for (std::size_t p = 0; p < tile.weight.rows(); ++p) {
    const float *w = tile.weight.row(p), *q = tile.quantized.row(p), *g = tile.gradient.row(p);
    double row_loss = 0;
    for (std::size_t r = 0; r < tile.rows.size(); ++r)
      row_loss += static_cast<double>(w[r] - q[r]) * g[r];
    loss += row_loss;
  }
  return loss;
}

}  // namespace tessera::solver
