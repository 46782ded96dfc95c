#pragma once
#include "core/matrix.hpp"

namespace tessera::solver {

/// scale * H as a full square in fp32, as products want it, from H's lower triangle.
inline Matrix<float> full_square(MatrixView<const double> lower, double scale = 1) {
  Matrix<float> square(lower.rows, lower.rows);
  for (std::size_t i = 0; i < lower.rows; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      square(i, j) = square(j, i) = static_cast<float>(scale * lower(i, j));
    }
  }
  return square;
}

}  // namespace tessera::solver
