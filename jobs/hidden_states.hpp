#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "forward/block.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_files.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// What calibration shards look like between two blocks, for the shards of one rank, and the one
/// way to move them through a block. Every state is committed
/// (calibration/block-00004/hidden-00002-of-00008.h5), so that a resumed run goes on from the very
/// numbers and never computes them another way; the previous block's is dropped when all ranks have
/// theirs. In memory as well where the job's host_memory allows it.
class HiddenStates {
 public:
  /// @param shards all of them; @p mine: those that this rank moves. @p first_block is where the
  /// walk begins: 0 embeds the tokens, b reads what was committed after block b - 1.
  HiddenStates(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
               std::vector<Tile> shards, std::vector<std::size_t> mine, std::size_t first_block);

  /// Moves @p shard of this rank through block @p block. A sample that an earlier block left with a
  /// number that is not finite stays as it is.
  void advance(std::size_t shard, const forward::BlockWeights& weights, std::size_t block);
  /// The same; returns what linear layers saw. What was not finite is committed, and counts for
  /// nothing (not_finite.hpp).
  BlockStatistics advance_and_collect(std::size_t shard, const forward::BlockWeights& weights,
                                      std::size_t block);

  /// Commits this rank's shards as they are after @p block.
  void commit(std::size_t block);
  /// Removes this rank's files of @p block. @pre all ranks have committed a later one
  void drop(std::size_t block);

 private:
  void fetch(std::size_t shard, std::size_t block);
  void move_shard(std::size_t shard, const forward::BlockWeights& weights, std::size_t block,
                  BlockStatistics* partial);
  void move(Tile samples, MatrixView<float> hidden, const forward::BlockWeights& weights,
            std::size_t block, BlockStatistics* partial);
  Matrix<float> embed(Tile samples) const;
  Matrix<float> load(std::size_t block, std::size_t shard) const;

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  std::vector<Tile> shards_;
  std::vector<std::size_t> mine_;
  bool is_kept_in_memory_;
  std::size_t length_;
  forward::BlockForward forward_;
  std::map<std::size_t, Matrix<float>> states_;  // shard -> (tokens, hidden_size)
};

}  // namespace tessera::jobs
