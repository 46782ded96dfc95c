#pragma once
#include <cstddef>
#include <functional>
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

/// Where the states of a walk are kept.
struct HiddenPlace {
  std::string folder = "calibration";  ///< of the work folder
  bool in_memory = true;               ///< as well as in files
};

/// The calibration shards that @p rank of so many moves.
std::vector<std::size_t> shards_of_rank(std::size_t num_shards, std::size_t rank,
                                        std::size_t num_ranks);

/// The blocks to walk through, of which @p wanted (ascending) leave something: from the last block
/// that left its states, and before the first that is not made, up to the last that is not.
Tile blocks_to_walk(const std::vector<std::size_t>& wanted,
                    const std::function<bool(std::size_t)>& is_made,
                    const std::function<bool(std::size_t)>& has_states);

/// The samples of a shard that are finite in all of @p states (tokens of the shard, hidden_size),
/// in runs of neighbours that go through a block together. Part of the result: sums are added up
/// batch by batch.
std::vector<Tile> finite_batches(const std::vector<const Matrix<float>*>& states,
                                 std::size_t length);

/// What calibration shards look like between two blocks, for the shards of one rank, and the one
/// way to move them through a block. Every state is committed
/// (calibration/block-00004/hidden-00002-of-00008.h5), so that a resumed run goes on from the very
/// numbers and never computes them another way; the previous block's is dropped when all ranks have
/// theirs. Another walk than calibration's has a folder of its own for them.
class HiddenStates {
 public:
  /// @param shards all of them; @p mine: those that this rank moves. @p first_block is where the
  /// walk begins: 0 embeds the tokens, b reads what was committed after block b - 1.
  HiddenStates(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
               std::vector<Tile> shards, std::vector<std::size_t> mine, std::size_t first_block,
               HiddenPlace place);

  /// Moves @p shard of this rank through block @p block. A sample that an earlier block left with a
  /// number that is not finite stays as it is.
  void advance(std::size_t shard, const forward::BlockWeights& weights, std::size_t block);
  /// The same; returns what linear layers saw. What was not finite is committed, and counts for
  /// nothing (not_finite.hpp).
  BlockStatistics advance_and_collect(std::size_t shard, const forward::BlockWeights& weights,
                                      std::size_t block);

  /// @p shard of this rank as it is in front of block @p block.
  const Matrix<float>& state(std::size_t shard, std::size_t block) {
    fetch(shard, block);
    return states_.at(shard);
  }

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
  std::string file(std::size_t block, std::size_t shard) const;

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  std::vector<Tile> shards_;
  std::vector<std::size_t> mine_;
  HiddenPlace place_;
  std::size_t length_;
  forward::BlockForward forward_;
  std::map<std::size_t, Matrix<float>> states_;  // shard -> (tokens, hidden_size)
};

}  // namespace tessera::jobs
