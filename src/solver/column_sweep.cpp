#include "solver/column_sweep.hpp"

#include <algorithm>
#include <vector>

#include "linalg/gemm.hpp"
#include "solver/column_pass.hpp"

namespace tessera::solver {
namespace {

void subtract_product(MatrixView<const float> square, MatrixView<const float> change,
                      MatrixView<float> gradient) {
  if (square.rows == 0) return;
  linalg::gemm(-1, square, linalg::Transposed::no, change, linalg::Transposed::no, 1, gradient);
}

}  // namespace

void sweep_columns(const Matrix<float>& square, const ImproveColumn& improve, ColumnTile& tile) {
  const std::size_t n = square.rows(), rows = tile.rows.size();
  const auto full = square.view();
  Matrix<float> change(kPanel, rows);
  std::vector<float> target(rows);
  for (std::size_t begin = 0; begin < n; begin += kPanel) {
    const std::size_t width = std::min(kPanel, n - begin), end = begin + width;
    bool any_moved = false;
    for (std::size_t c = 0; c < width; ++c) {
      const std::size_t q = begin + c;
      const float inverse_curvature = 1.0f / full(q, q);
      const float *present = tile.quantized.row(q), *gradient = tile.gradient.row(q);
      for (std::size_t r = 0; r < rows; ++r)
        target[r] = present[r] + gradient[r] * inverse_curvature;
      const std::span<float> d(change.row(c), rows);
      std::ranges::fill(d, 0.0f);
      if (!improve(q, target, d)) continue;
      any_moved = true;
      for (std::size_t k = begin; k < end; ++k) {
        const float h = full(q, k);
        float* g = tile.gradient.row(k);
        for (std::size_t r = 0; r < rows; ++r) g[r] -= h * d[r];
      }
    }
    if (!any_moved) continue;
    const auto moved = change.view().middle_rows(0, width);
    subtract_product(full.block(0, begin, begin, width), moved,
                     tile.gradient.view().middle_rows(0, begin));
    subtract_product(full.block(end, begin, n - end, width), moved,
                     tile.gradient.view().middle_rows(end, n - end));
  }
}

}  // namespace tessera::solver
