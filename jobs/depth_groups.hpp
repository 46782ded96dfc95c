#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "core/threads.hpp"
#include "jobs/prepared_run.hpp"

// Layers of one kind in neighbouring blocks are much alike: what is costly to measure is measured
// once for each kind and group of blocks (quantize.budget.depth_groups).
namespace tessera::jobs {

/// "mlp.down_proj"; of an expert's layer, whichever expert's, "experts.down_proj".
std::string kind_of(const model::LinearLayer& layer);

/// At most @p num_groups groups of neighbouring blocks.
std::vector<Tile> depth_groups(std::size_t num_groups, std::size_t num_blocks);

/// By unit, the unit on which all its recipes are measured: of its kind and group the middle one
/// that has the same recipes (jobs/recipes.hpp).
std::vector<std::size_t> representatives(const PreparedRun& prepared);

}  // namespace tessera::jobs
