#pragma once
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "solver/vptq/codebook.hpp"
#include "solver/vptq/row_tiles.hpp"

namespace tessera::solver {

/// Main and residual codebooks of every segment by weighted k-means on the tiles' normalized
/// weights (vptq.md 1.6, 1.8).
///
/// A vector weighs what an error in its column weighs. The residual codebook is trained on what the
/// main centroids leave. Padding never takes part: a ragged last vector is left out (unless there
/// is no other). Entries are rounded to the stored type, so that everything after sees what an
/// engine will see.
/// @param importance (N) by position
std::vector<Codebook> train_codebooks(Threads& threads, const std::vector<RowTile>& tiles,
                                      const ColumnLayout& layout, std::span<const float> importance,
                                      const VptqSettings& settings, const std::string& layer_name,
                                      StoredType type);

}  // namespace tessera::solver
