#include "evaluation/window_walk.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "model/architecture.hpp"

namespace tessera::evaluation {
namespace {

/// Tokens pushed through a block at a time: bounds the block's intermediate values, changes no
/// result.
constexpr std::size_t kBatchTokens = 4096;

void run_block(Threads& threads, const forward::BlockForward& forward,
               const forward::BlockWeights& weights, std::size_t length, MatrixView<float> hidden) {
  const std::size_t num_windows = hidden.rows / length;
  const std::size_t per_batch = windows_per_batch(length);
  for (std::size_t i = 0; i < num_tiles(num_windows, per_batch); ++i) {
    const Tile batch = tile_at(i, per_batch, num_windows);
    const forward::BatchShape shape{batch.size(), length};
    forward.run(threads, weights, shape,
                hidden.middle_rows(batch.begin * length, shape.num_tokens()), nullptr);
  }
}

/// With its compensation where the model has one.
forward::BlockWeights load_block(const ScoredModel& scored, std::size_t block) {
  auto weights = forward::load_block(scored.config, scored.weights, block);
  if (scored.compensator != nullptr) scored.compensator->add_to(scored.config, block, weights);
  return weights;
}

}  // namespace

std::size_t windows_per_batch(std::size_t length) {
  return std::max<std::size_t>(1, kBatchTokens / length);
}

std::size_t windows_per_walk(std::size_t num_windows, std::size_t length, std::size_t hidden_size,
                             std::uint64_t max_hidden_bytes) {
  const std::size_t per_batch = windows_per_batch(length);
  const std::uint64_t batch_bytes = per_batch * length * hidden_size * sizeof(float);
  if (max_hidden_bytes == 0) return std::max<std::size_t>(1, num_windows);
  return per_batch *
         static_cast<std::size_t>(std::max<std::uint64_t>(1, max_hidden_bytes / batch_bytes));
}

std::vector<std::uint32_t> tokens_of_windows(std::span<const std::uint32_t> tokens,
                                             std::size_t length,
                                             std::span<const std::size_t> windows) {
  std::vector<std::uint32_t> walked;
  for (const std::size_t w : windows) {
    const auto window = tokens.subspan(w * length, length);
    walked.insert(walked.end(), window.begin(), window.end());
  }
  return walked;
}

std::vector<std::uint32_t> next_tokens(std::span<const std::uint32_t> walked) {
  std::vector<std::uint32_t> next(walked.begin() + 1, walked.end());
  next.push_back(walked.back());
  return next;
}

std::vector<Tile> scored_rows(std::size_t num_walked, const PerplexitySettings& settings) {
  std::vector<Tile> parts;
  for (std::size_t first = 0; first < num_walked; first += settings.context_length) {
    parts.push_back({first + settings.first_token - 1, first + settings.context_length - 1});
  }
  return parts;
}

WalkProgress::WalkProgress(Log& log, const model::ModelConfig& config, std::size_t num_walks)
    : log_(log), num_blocks_(config.num_blocks), num_walks_(std::max<std::size_t>(1, num_walks)) {
  double block = 0;
  for (const model::LinearLayer& layer : model::linear_layers(config, 0)) {
    block += static_cast<double>(layer.in_features * layer.out_features);
  }
  const double head = static_cast<double>(config.hidden_size * config.vocab_size);
  cost_of_block_ = block / (block * static_cast<double>(num_blocks_) + head);
}

void WalkProgress::done(std::size_t walk, std::size_t blocks, const std::string& label) const {
  const double of_walk = std::min(1.0, cost_of_block_ * static_cast<double>(blocks));
  const double cost = (static_cast<double>(walk) + of_walk) / static_cast<double>(num_walks_);
  log_.progress(
      {"evaluate", "blocks", walk * num_blocks_ + blocks, num_walks_ * num_blocks_, cost, label});
}

void push_through_blocks(Threads& threads, const ScoredModel& scored, Tile blocks,
                         std::size_t length, MatrixView<float> hidden,
                         const std::function<void(std::size_t)>& before_block) {
  const forward::BlockForward forward(scored.config, length);
  for (std::size_t b = blocks.begin; b < blocks.end; ++b) {
    if (before_block) before_block(b);
    run_block(threads, forward, load_block(scored, b), length, hidden);
  }
}

Matrix<float> walk_through_blocks(Threads& threads, const ScoredModel& scored,
                                  const forward::EmbeddingAndHead& ends,
                                  std::span<const std::uint32_t> tokens, std::size_t length,
                                  const WalkProgress& progress, std::size_t walk) {
  Matrix<float> hidden(tokens.size(), scored.config.hidden_size);
  ends.embed(tokens, length, hidden);
  push_through_blocks(threads, scored, {0, scored.config.num_blocks}, length, hidden,
                      [&](std::size_t block) { progress.done(walk, block, scored.label); });
  progress.done(walk, scored.config.num_blocks, scored.label);
  return hidden;
}

}  // namespace tessera::evaluation
