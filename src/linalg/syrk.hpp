#pragma once
#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::linalg {

/// sum += x^T x: the second moment of the rows of @p x (tokens), (rows, n), added to @p sum (n, n).
///
/// Products of a tile of kSyrkTileRows rows are summed in fp32 and tiles are added in fp64, in
/// order, so the result does not depend on the number of threads. Only the lower triangle of @p sum
/// is read and written. Scratch: two copies of a tile (kSyrkTileRows, n) and, a thread, 256 KiB.
/// @pre sum.rows() == sum.cols() == x.cols
void add_outer_products(Threads& threads, MatrixView<const float> x, Matrix<double>& sum);
// A power of two would put a channel's tokens, a row of the transposed tile, where the next
// channel's are in the caches.
inline constexpr std::size_t kSyrkTileRows = 1040;

/// Two loops in double precision; the oracle of the other.
void add_outer_products_reference(MatrixView<const float> x, Matrix<double>& sum);

/// Copies the lower triangle onto the upper.
void mirror_lower(Matrix<double>& a);

}  // namespace tessera::linalg
