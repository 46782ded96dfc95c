#pragma once
#include <cstddef>
#include <vector>

#include "calibration/flat_statistics.hpp"
#include "cluster/reduce_to_owners.hpp"
#include "jobs/plan.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_files.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Which rank adds up and stores which slab: the largest first, each to the rank with least so far.
/// Pure; equal loads go to the lowest rank.
std::vector<std::size_t> slab_owners(const std::vector<SlabFile>& slabs, std::size_t num_ranks);

/// The complete sums of one block, slab by slab on their owners. No rank ever holds more than its
/// slabs of the sums and one partial (and the messages of a reduction).
class BlockSums {
 public:
  BlockSums(RunContext& run, std::vector<SlabFile> slabs);

  /// Adds a round: rank r < num_partials gives the partial of shard (round * size + r). Rounds
  /// follow each other, so the order of addition is that of the shards. Collective.
  cluster::ReductionCost add_round(std::size_t num_partials, const BlockStatistics& partial);

  /// Commits the slabs this rank owns.
  void commit(WorkFolder& work) const;

 private:
  RunContext& run_;
  std::vector<SlabFile> files_;
  std::vector<std::size_t> owners_;
  std::vector<calibration::StatisticsSlab> sums_;  // by slab; empty where another rank owns it
};

/// Puts the complete statistics of one input together from its committed slabs.
calibration::InputStatistics load_statistics(const WorkFolder& work,
                                             const std::vector<SlabFile>& slabs_of_block,
                                             const model::InputKey& role);

/// The tokens that these statistics count; reads one slab.
std::uint64_t load_num_tokens(const WorkFolder& work, const std::vector<SlabFile>& slabs_of_block,
                              const model::InputKey& role);

}  // namespace tessera::jobs
