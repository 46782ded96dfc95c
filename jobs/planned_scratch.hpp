#pragma once
#include <cstddef>
#include <cstdint>

#include "jobs/prepared_run.hpp"

namespace tessera::jobs {

/// What the work folder will hold, from sizes alone; bytes of all ranks together.
struct PlannedScratch {
  std::uint64_t tokens_bytes = 0;      ///< 0 where the job names token files, or texts are missing
  std::uint64_t statistics_bytes = 0;  ///< complete sums of all blocks, kept to the end
  std::uint64_t hidden_bytes = 0;      ///< activations behind one block
  std::uint64_t solved_bytes = 0;      ///< layers, and the scales of inputs
  std::uint64_t peak_bytes = 0;  ///< two blocks' activations beside the sums, or all that is solved
  std::size_t num_files = 0;     ///< that are there at once at most
};

PlannedScratch plan_scratch(const PreparedRun& prepared);

/// Bytes of the file of a solved layer.
std::uint64_t solved_file_bytes(const PreparedRun& prepared, const LayerUnit& unit);
/// Bytes of the activations of all calibration samples, as a block leaves them.
std::uint64_t hidden_bytes(const PreparedRun& prepared);
/// Of a text, or 0 where it is missing.
std::uint64_t text_bytes(const std::vector<Path>& texts);

/// Bytes that the ranks hand each other when the sums are added up: in each round every rank sends
/// all of its partial but its own slabs (cluster/reduce_to_owners.hpp).
std::uint64_t reduction_bytes(const PreparedRun& prepared, std::size_t num_ranks);

}  // namespace tessera::jobs
