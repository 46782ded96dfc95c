#pragma once
#include <span>

#include "core/matrix.hpp"

namespace tessera::calibration {

/// Raises maximum[k] to the (k+1)-th largest magnitude of every row of @p x: after all tokens it is
/// the position-wise maximum over tokens of |x| sorted downwards, from which the thresholds of the
/// residual's channel selection are read (qdec.md section 2). Sequential.
///
/// Sixteen rows are sorted side by side, one a lane, by Batcher's odd-even merge network: no
/// branches, and exact, so neither the order of the rows nor how they are shared out changes a bit.
/// @pre maximum.size() == x.cols, its values >= 0 and not rising; every value of x is finite
void raise_to_sorted_magnitudes(MatrixView<const float> x, std::span<float> maximum);

/// std::sort, row by row; the oracle of the other.
void raise_to_sorted_magnitudes_reference(MatrixView<const float> x, std::span<float> maximum);

}  // namespace tessera::calibration
