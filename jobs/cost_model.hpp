#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

// How long a run takes on a number of ranks: arithmetic from what was measured on few.
namespace tessera::jobs {

/// What one rank does how fast, measured on one machine (the journal's stage times, the log's line
/// on the reduction).
struct RunRates {
  double seconds_per_shard = 0;  ///< one calibration shard through one block
  double seconds_per_block =
      0;  ///< what a block costs however many ranks: loading weights, committing
  double reduced_bytes_per_second = 0;  ///< of a partial, handed to its owners and added up
  double seconds_per_cost = 0;          ///< solve: for a unit of solve_cost()
};

/// What a run consists of.
struct RunShape {
  std::size_t num_blocks = 0;
  std::size_t num_shards = 0;
  std::uint64_t partial_bytes = 0;  ///< of one block's flat statistics
  std::vector<double> unit_costs;   ///< of every layer to solve, in the order of the tickets
};

struct PredictedTime {
  double calibrate_seconds = 0;  ///< reduction included
  double reduction_seconds = 0;
  double solve_seconds = 0;
  double total() const { return calibrate_seconds + solve_seconds; }
};

/// When the last of @p num_ranks ranks ends, where each unit of @p seconds, in order, goes to the
/// rank that is free first. @pre num_ranks >= 1
double list_schedule(const std::vector<double>& seconds, std::size_t num_ranks);

/// Calibration goes in rounds: ceil(shards / ranks) shards a block on the busiest rank, and as many
/// reductions, in each of which a rank hands out all of its partial but its own slab. The solve is
/// a list schedule: each unit, in order, goes to the rank that is free first.
/// @pre num_ranks >= 1
PredictedTime predict_time(const RunShape& shape, const RunRates& rates, std::size_t num_ranks);

}  // namespace tessera::jobs
