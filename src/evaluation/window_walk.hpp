#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "evaluation/perplexity.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"

// How windows of a text go through a model: in batches of a fixed number of tokens, so that every
// window is computed in the same company whatever else is scored, and block by block, so that one
// block's weights are in memory.
namespace tessera::evaluation {

/// Windows that go through a block together.
std::size_t windows_per_batch(std::size_t length);

/// Windows that are walked through the blocks together: whole batches of them; all where
/// @p max_hidden_bytes is 0.
std::size_t windows_per_walk(std::size_t num_windows, std::size_t length, std::size_t hidden_size,
                             std::uint64_t max_hidden_bytes);

/// The tokens of @p windows, one after another.
std::vector<std::uint32_t> tokens_of_windows(std::span<const std::uint32_t> tokens,
                                             std::size_t length,
                                             std::span<const std::size_t> windows);

/// Of windows walked together, one after another: the token behind each (behind the last one: it
/// is not scored), and the rows whose next token is scored, a part for each window.
std::vector<std::uint32_t> next_tokens(std::span<const std::uint32_t> walked);
std::vector<Tile> scored_rows(std::size_t num_walked, const PerplexitySettings& settings);

/// Progress events of "evaluate": every block costs the same, the head as much as its size says.
class WalkProgress {
 public:
  /// @param num_walks through all blocks; at least 1 is counted
  WalkProgress(Log& log, const model::ModelConfig& config, std::size_t num_walks);
  /// Walk @p walk is in front of block @p blocks.
  void done(std::size_t walk, std::size_t blocks, const std::string& label) const;

 private:
  Log& log_;
  std::size_t num_blocks_, num_walks_;
  double cost_of_block_;
};

/// Pushes @p hidden, whole sequences of @p length one below the other, through blocks [begin, end).
/// @param before_block told its number before a block's weights are read
void push_through_blocks(Threads& threads, const ScoredModel& scored, Tile blocks,
                         std::size_t length, MatrixView<float> hidden,
                         const std::function<void(std::size_t)>& before_block = {});

/// Hidden states (tokens.size(), hidden_size) of whole windows as they leave the last block.
Matrix<float> walk_through_blocks(Threads& threads, const ScoredModel& scored,
                                  const forward::EmbeddingAndHead& ends,
                                  std::span<const std::uint32_t> tokens, std::size_t length,
                                  const WalkProgress& progress, std::size_t walk);

}  // namespace tessera::evaluation
