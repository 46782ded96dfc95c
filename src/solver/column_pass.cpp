#include "solver/column_pass.hpp"

#include <algorithm>

#include "linalg/gemm.hpp"

namespace tessera::solver {

void quantize_columns(const Matrix<float>& inverse_upper, const RoundColumn& round,
                      ColumnTile& tile) {
  const std::size_t n = inverse_upper.rows(), rows = tile.rows.size();
  const auto upper = inverse_upper.view();
  Matrix<float> error(n, rows);       // e_q
  Matrix<float> panel(kPanel, rows);  // x_q of the present panel
  for (std::size_t begin = 0; begin < n; begin += kPanel) {
    const std::size_t width = std::min(kPanel, n - begin);
    std::copy_n(tile.weight.row(begin), width * rows, panel.data());
    if (begin > 0) {
      linalg::gemm(-1, upper.block(0, begin, begin, width), linalg::Transposed::yes,
                   error.view().middle_rows(0, begin), linalg::Transposed::no, 1,
                   panel.view().middle_rows(0, width));
    }
    for (std::size_t c = 0; c < width; ++c) {
      const std::size_t q = begin + c;
      const std::span<const float> x(panel.row(c), rows);
      const std::span<float> chosen(tile.quantized.row(q), rows);
      round(q, x, chosen);
      float* e = error.row(q);
      const float inverse_diagonal = 1.0f / upper(q, q);
      for (std::size_t r = 0; r < rows; ++r) e[r] = (x[r] - chosen[r]) * inverse_diagonal;
      for (std::size_t k = c + 1; k < width; ++k) {
        const float u = upper(q, begin + k);
        float* later = panel.row(k);
        for (std::size_t r = 0; r < rows; ++r) later[r] -= u * e[r];
      }
    }
  }
}

void quantize_columns_reference(const Matrix<float>& inverse_upper, const RoundColumn& round,
                                ColumnTile& tile) {
  const std::size_t n = inverse_upper.rows(), rows = tile.rows.size();
  Matrix<double> error(n, rows);
  std::vector<float> x(rows);
  for (std::size_t q = 0; q < n; ++q) {
    for (std::size_t r = 0; r < rows; ++r) {
      double value = tile.weight(q, r);
      for (std::size_t k = 0; k < q; ++k) value -= inverse_upper(k, q) * error(k, r);
      x[r] = static_cast<float>(value);
    }
    const std::span<float> chosen(tile.quantized.row(q), rows);
    round(q, x, chosen);
    for (std::size_t r = 0; r < rows; ++r) {
      error(q, r) = (static_cast<double>(x[r]) - chosen[r]) / inverse_upper(q, q);
    }
  }
}

}  // namespace tessera::solver
