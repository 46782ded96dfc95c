#pragma once
#include <vector>

#include "core/dtype.hpp"
#include "solver/vptq/codebook.hpp"
#include "solver/vptq/row_tiles.hpp"
#include "solver/vptq/vptq_settings.hpp"

namespace tessera::solver {

/// Up to settings.refine_rounds rounds of centroid re-estimation and one sweep over the columns
/// (vptq.md 8). The loss never rises: a re-estimated codebook that rounding made worse is put back.
/// Ends early when a round gains less than kEnoughGain.
/// @pre tiles hold indices and quantized values of @p codebooks; returns the loss tr(E H E^T)
double refine(Threads& threads, const Matrix<float>& square, const std::vector<Segment>& segments,
              std::vector<RowTile>& tiles, std::vector<Codebook>& codebooks,
              const VptqSettings& settings, StoredType type);
inline constexpr double kEnoughGain = 5e-4;

}  // namespace tessera::solver
