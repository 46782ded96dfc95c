#include "evaluation/perplexity.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/matrix.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"

namespace tessera::evaluation {
namespace {

/// Tokens pushed through a block at a time: bounds the block's intermediate values, changes no
/// result.
constexpr std::size_t kBatchTokens = 4096;

/// The stage's progress events: every block costs the same, the head as much as its size says.
class Steps {
 public:
  Steps(Log& log, const model::ModelConfig& config, std::string label)
      : log_(log), label_(std::move(label)), num_blocks_(config.num_blocks) {
    const double block =
        static_cast<double>(config.hidden_size * (2 * config.q_size() + 2 * config.kv_size() +
                                                  3 * config.intermediate_size));
    const double head = static_cast<double>(config.hidden_size * config.vocab_size);
    cost_of_block_ = block / (block * static_cast<double>(num_blocks_) + head);
  }
  void done(std::size_t blocks) const {
    const double cost = std::min(1.0, cost_of_block_ * static_cast<double>(blocks));
    log_.progress({"evaluate", "blocks", blocks, num_blocks_, cost, label_});
  }

 private:
  Log& log_;
  std::string label_;
  std::size_t num_blocks_;
  double cost_of_block_;
};

void run_block(Threads& threads, const forward::BlockForward& forward,
               const forward::BlockWeights& weights, std::size_t length, MatrixView<float> hidden) {
  const std::size_t num_windows = hidden.rows / length;
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / length);
  for (std::size_t i = 0; i < num_tiles(num_windows, per_batch); ++i) {
    const Tile batch = tile_at(i, per_batch, num_windows);
    const forward::BatchShape shape{batch.size(), length};
    forward.run(threads, weights, shape,
                hidden.middle_rows(batch.begin * length, shape.num_tokens()), nullptr);
  }
}

/// Sum over all windows, one window after another, of the loss of tokens 1 ... L - 1.
double sum_of_losses(Threads& threads, const forward::EmbeddingAndHead& head,
                     std::span<const std::uint32_t> tokens, std::size_t length,
                     MatrixView<const float> hidden) {
  double sum = 0;
  for (std::size_t first = 0; first < hidden.rows; first += length) {
    const auto losses = head.negative_log_likelihood(threads, hidden.middle_rows(first, length - 1),
                                                     tokens.subspan(first + 1, length - 1));
    double of_window = 0;
    for (const double loss : losses) of_window += loss;
    sum += of_window;
  }
  return sum;
}

}  // namespace

std::string Perplexity::to_text() const {
  return fmt::format("{:.3f} ({} windows of {} tokens, {} predicted)", perplexity, num_windows,
                     context_length, num_tokens);
}

std::size_t count_windows(std::size_t num_tokens, const PerplexitySettings& settings) {
  const std::size_t length = settings.context_length;
  if (length < 2) {
    throw InputError(fmt::format(
        "the context length is {} tokens (the first token of a window is not predicted, so 2 is "
        "the least). Choose a longer one.",
        length));
  }
  const std::size_t whole = num_tokens / length;
  if (whole == 0) {
    throw InputError(fmt::format(
        "the text to score has {} tokens (one window takes {}). Name a longer text or a shorter "
        "context length.",
        num_tokens, length));
  }
  return settings.max_windows == 0 ? whole : std::min(whole, settings.max_windows);
}

Perplexity perplexity(Threads& threads, Log& log, const model::ModelConfig& config,
                      const model::TensorSource& weights, std::span<const std::uint32_t> tokens,
                      const PerplexitySettings& settings, const std::string& label) {
  const std::size_t num_windows = count_windows(tokens.size(), settings);
  const std::size_t length = settings.context_length;
  const auto scored = tokens.first(num_windows * length);
  const Steps steps(log, config, label);

  const forward::EmbeddingAndHead ends(config, weights);
  Matrix<float> hidden(scored.size(), config.hidden_size);
  ends.embed(scored, hidden);
  const forward::BlockForward forward(config, length);
  steps.done(0);
  for (std::size_t b = 0; b < config.num_blocks; ++b) {
    run_block(threads, forward, forward::load_block(config, weights, b), length, hidden);
    steps.done(b + 1);
  }

  Perplexity result;
  result.num_windows = num_windows;
  result.context_length = length;
  result.num_tokens = num_windows * (length - 1);
  result.mean_nll =
      sum_of_losses(threads, ends, scored, length, hidden) / static_cast<double>(result.num_tokens);
  result.perplexity = std::exp(result.mean_nll);
  return result;
}

}  // namespace tessera::evaluation
