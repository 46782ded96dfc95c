#pragma once
#include "core/matrix.hpp"

namespace tessera::linalg {

/// to = from^T, in blocks of 16 x 16 that are transposed in registers. Sequential.
/// @pre to is (from.cols, from.rows) and does not overlap from
void transpose(MatrixView<const float> from, MatrixView<float> to);

}  // namespace tessera::linalg
