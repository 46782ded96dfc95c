#pragma once
#include <span>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::residual {

/// Codes and scales of W - W^, row by row, as DecDEC's setup makes them (qdec.md section 1): of 32
/// candidates m/32 ... m, m = max_j |R_ij| / P, the scale with the least sum_j w_j (R_ij - S
/// q_ij)^2, q = clamp(round(R / S), -P, P) rounded half to even; the first minimum wins. Candidates
/// are rounded to halves before they are tried, and everything else is fp32 and fp64 where
/// upstream's is fp16, which underflows.
///
/// With weights the best candidate is then moved to the scale that is best for its codes, and codes
/// to the best for that scale, as long as the row's error falls.
///
/// A row whose largest scale is 0 as a half (below 2^-25 * P) is stored as zeros.
/// @param weight the original, (M, N): of an equalized base the scaled weights
/// @param quantized as the engine will see it, (M, N)
/// @param importance (N), what a channel's squared error counts; empty: all alike, without moving
/// @pre bits is 2, 3, 4 or 8
/// The channel facts (top_magnitude, static_order) are left empty; column_norm is filled in.
ResidualLayer solve_residual(Threads& threads, MatrixView<const float> weight,
                             MatrixView<const float> quantized, std::span<const double> importance,
                             int bits);

/// One row by the definition, an element at a time: its scale, and its codes in @p codes as q.
/// The oracle of the other.
float solve_row_reference(std::span<const float> residual, std::span<const double> importance,
                          int bits, std::span<int> codes);

}  // namespace tessera::residual
