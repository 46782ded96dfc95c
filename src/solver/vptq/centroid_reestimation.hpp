#pragma once
#include <vector>

#include "core/dtype.hpp"
#include "solver/vptq/codebook.hpp"
#include "solver/vptq/row_tiles.hpp"

namespace tessera::solver {

/// The codebook that minimizes tr(E H E^T) with all indices fixed (vptq.md 8), rounded to the
/// stored type.
///
/// The loss is quadratic in the entries (main and residual together). Coordinate t of a vector
/// meets coordinate t of other vectors only, and all coordinates share one matrix
///
///     A[a, b] = sum over vector rows i, columns j with index a, k with index b of H_jk
///
/// so the change of the codebook solves A X = B with one right-hand side a coordinate, B[a, t] =
/// sum of gradients at (a, t). Up to kDenseLimit entries A is formed and factored; beyond,
/// conjugate gradients use its product with a codebook (gather, one multiplication by H, scatter).
/// A ragged last vector is left out.
/// @pre the tiles' gradients are fresh
Codebook reestimate_centroids(Threads& threads, const Matrix<float>& square,
                              std::vector<RowTile>& tiles, const Codebook& codebook,
                              StoredType type);

inline constexpr std::size_t kDenseLimit = 1024;

/// The two ways to the change X (U, v); U = main entries, then residual ones. Exposed for the tests
/// that hold one against the other.
Matrix<double> centroid_change_dense(Threads& threads, const Matrix<float>& square,
                                     std::vector<RowTile>& tiles, const Codebook& codebook);
Matrix<double> centroid_change_iterative(Threads& threads, const Matrix<float>& square,
                                         std::vector<RowTile>& tiles, const Codebook& codebook,
                                         int num_iterations);

}  // namespace tessera::solver
