#include "jobs/stages/calibrate.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "jobs/block_sums.hpp"
#include "jobs/hidden_states.hpp"

namespace tessera::jobs {
namespace {

class Calibration {
 public:
  Calibration(RunContext& run, const PreparedRun& prepared, WorkFolder& work)
      : run_(run), prepared_(prepared), work_(work), shards_(prepared.calibration_shards()) {}

  void run() {
    const Tile walk = blocks_to_walk(
        blocks_of(prepared_.units), [&](std::size_t block) { return has_statistics(block); },
        [&](std::size_t block) { return has_hidden(block); });
    if (walk.size() == 0) return;
    say_start(walk);
    HiddenStates hidden(run_, prepared_, work_, shards_,
                        shards_of_rank(shards_.size(), run_.comm.rank(), run_.comm.size()),
                        walk.begin, {.in_memory = prepared_.memory.hidden_in_memory});
    double longest_seconds = 0;
    for (std::size_t block = walk.begin; block < walk.end; ++block) {
      say(block, walk);
      require_time(run_.comm, run_.deadline, "a block", longest_seconds);
      const auto start = std::chrono::steady_clock::now();
      calibrate_block(hidden, block, block + 1 == walk.end);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      longest_seconds = std::max(longest_seconds, taken.count());
    }
    say(walk.end, walk);
    say_reduction();
  }

 private:
  bool has_statistics(std::size_t block) {
    return std::ranges::all_of(
        slab_files(prepared_.config, prepared_.units, block, prepared_.extras),
        [&](const SlabFile& slab) { return work_.is_committed(slab.file); });
  }
  bool has_hidden(std::size_t block) {
    for (std::size_t s = 0; s < shards_.size(); ++s) {
      if (!work_.is_committed(hidden_file(block, s, shards_.size()))) return false;
    }
    return true;
  }

  void calibrate_block(HiddenStates& hidden, std::size_t block, bool is_last) {
    const auto weights = forward::load_block(prepared_.config, *prepared_.weights, block);
    const bool is_wanted = !has_statistics(block);
    std::optional<BlockSums> sums;
    if (is_wanted)
      sums.emplace(run_, slab_files(prepared_.config, prepared_.units, block, prepared_.extras));
    for (std::size_t first = 0; first < shards_.size(); first += run_.comm.size()) {
      const std::size_t shard = first + run_.comm.rank();
      const std::size_t in_round = std::min(run_.comm.size(), shards_.size() - first);
      BlockStatistics partial;
      if (shard < shards_.size() && is_wanted) {
        partial = hidden.advance_and_collect(shard, weights, block);
      } else if (shard < shards_.size()) {
        hidden.advance(shard, weights, block);
      }
      if (is_wanted) note(sums->add_round(in_round, partial));
    }
    if (is_wanted) sums->commit(work_);
    if (!is_last) hidden.commit(block);
    run_.comm.barrier();  // the block is committed, on all ranks
    if (block > 0) hidden.drop(block - 1);
  }

  void note(const cluster::ReductionCost& cost) {
    reduction_.bytes_sent += cost.bytes_sent;
    reduction_.seconds += cost.seconds;
    ++num_rounds_;
  }

  void say_start(const Tile& walk) const {
    if (walk.begin > 0) run_.log.info(fmt::format("going on after block {}", walk.begin - 1));
    if (run_.comm.size() <= shards_.size()) return;
    run_.log.warning(fmt::format(
        "{} of {} ranks have no calibration shard (calibration.num_shards is {}). More shards "
        "would use them, and are another job: they change the order of summation.",
        run_.comm.size() - shards_.size(), run_.comm.size(), shards_.size()));
  }
  void say(std::size_t block, const Tile& walk) const {
    const auto done = static_cast<double>(block - walk.begin);
    const auto total = static_cast<double>(walk.end - walk.begin);
    run_.log.progress({"calibrate", "blocks", block, walk.end, done / total, ""});
  }
  void say_reduction() const {
    if (run_.comm.size() == 1) return;
    run_.log.info(fmt::format(
        "reduction: this rank sent {:.1f} MB in {} rounds and spent {:.2f} s in them",
        static_cast<double>(reduction_.bytes_sent) / 1e6, num_rounds_, reduction_.seconds));
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  std::vector<Tile> shards_;
  cluster::ReductionCost reduction_;
  std::size_t num_rounds_ = 0;
};

}  // namespace

void calibrate(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  Calibration(run, prepared, work).run();
  run.comm.barrier();
  work.refresh();
  if (!run.comm.is_first()) return;
  for (const std::string& file : work.committed_below("calibration/")) {
    if (is_hidden_file(file)) work.drop(file);  // left by an attempt that was killed
  }
}

}  // namespace tessera::jobs
