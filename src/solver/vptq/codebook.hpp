#pragma once
#include "core/matrix.hpp"
#include "solver/vptq/column_layout.hpp"

namespace tessera::solver {

/// The codebooks of one segment of columns.
struct Codebook {
  Segment segment;
  Matrix<float> main;      ///< (num_centroids, v)
  Matrix<float> residual;  ///< (num_res_centroids, v) or empty

  bool has_residual() const { return !residual.empty(); }
  Codebook copy() const { return {segment, main.copy(), residual.copy()}; }
};

}  // namespace tessera::solver
