#pragma once
#include <cstddef>
#include <vector>

#include "core/threads.hpp"

namespace tessera::calibration {

/// Samples cut into calibration shards, fixed by the job and never by the number of ranks: shard s
/// holds the samples [begin, end); sizes differ by at most one, the larger ones first. Every sample
/// is in exactly one.
/// @pre 1 <= num_shards <= num_samples
std::vector<Tile> cut_into_shards(std::size_t num_samples, std::size_t num_shards);

}  // namespace tessera::calibration
