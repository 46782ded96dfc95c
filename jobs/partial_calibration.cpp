#include "jobs/partial_calibration.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "calibration/flat_statistics.hpp"
#include "jobs/hidden_states.hpp"
#include "jobs/stages/prepare.hpp"
#include "jobs/start_attempt.hpp"

namespace tessera::jobs {
namespace {

class PartialCalibration {
 public:
  PartialCalibration(RunContext& run, const PreparedRun& prepared, WorkFolder& work)
      : run_(run), prepared_(prepared), work_(work), shards_(prepared.calibration_shards()) {}

  /// From the first block without this shard's partials; earlier ones only move it along.
  void calibrate(std::size_t shard) {
    const auto blocks = blocks_of(prepared_.units);
    const auto missing = std::ranges::find_if(
        blocks, [&](std::size_t block) { return !has_partials(block, shard); });
    if (missing == blocks.end()) return;
    std::size_t block = *missing;
    while (block > 0 && !work_.is_committed(hidden_file(block - 1, shard, shards_.size()))) --block;
    HiddenStates hidden(run_, prepared_, work_, shards_, {shard}, block,
                        {.in_memory = prepared_.memory.hidden_in_memory});
    for (; block <= blocks.back(); ++block) {
      run_.log.progress({"calibrate", "blocks", block, blocks.back() + 1, 0,
                         fmt::format("shard {} of {}", shard, shards_.size())});
      calibrate_block(hidden, shard, block, block == blocks.back());
    }
  }

 private:
  bool has_partials(std::size_t block, std::size_t shard) {
    return std::ranges::all_of(
        slab_files(prepared_.config, prepared_.units, block, prepared_.extras),
        [&](const SlabFile& slab) {
          return work_.is_committed(partial_file(slab, shard, shards_.size()));
        });
  }

  void calibrate_block(HiddenStates& hidden, std::size_t shard, std::size_t block, bool is_last) {
    const auto weights = forward::load_block(prepared_.config, *prepared_.weights, block);
    const BlockStatistics partial = hidden.advance_and_collect(shard, weights, block);
    for (const SlabFile& slab :
         slab_files(prepared_.config, prepared_.units, block, prepared_.extras)) {
      calibration::StatisticsSlab part({slab.num_channels, slab.extras}, slab.range);
      calibration::copy_flat(partial.of_role.at(slab.role), slab.range.begin, part.values);
      work_.commit(partial_file(slab, shard, shards_.size()), "partial", part);
    }
    if (!is_last) hidden.commit(block);
    if (block > 0) hidden.drop(block - 1);
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  std::vector<Tile> shards_;
};

}  // namespace

std::vector<std::size_t> run_partial_calibration(const QuantizeJob& job, ExistingRun existing,
                                                 RunContext& run) {
  WorkFolder work(job.runtime.work_dir, run.log, run.comm.rank());
  auto [prepared, attempt] = start_attempt(run, job, work, existing);
  return attempt->guard([&] {
    prepare(run, prepared, work, existing);
    work.verify(run.comm);
    std::vector<std::size_t> shards(job.calibration.only_shards.begin(),
                                    job.calibration.only_shards.end());
    PartialCalibration calibration(run, prepared, work);
    for (std::size_t i = run.comm.rank(); i < shards.size(); i += run.comm.size()) {
      calibration.calibrate(shards[i]);
    }
    run.comm.barrier();
    return shards;
  });
}

}  // namespace tessera::jobs
