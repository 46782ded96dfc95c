#include "evaluation/perplexity.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/matrix.hpp"
#include "evaluation/window_walk.hpp"
#include "forward/embedding.hpp"

namespace tessera::evaluation {
namespace {

/// Adds the losses of windows whose hidden states have passed all blocks.
void add_losses(Threads& threads, const forward::EmbeddingAndHead& head,
                std::span<const std::uint32_t> walked, const PerplexitySettings& settings,
                MatrixView<const float> hidden, std::vector<double>& losses) {
  const std::vector<Tile> parts = scored_rows(walked.size(), settings);
  const auto of_rows = head.negative_log_likelihood(threads, hidden, next_tokens(walked), parts);
  for (const Tile& part : parts) {
    double of_window = 0;
    for (std::size_t i = part.begin; i < part.end; ++i) of_window += of_rows[i];
    losses.push_back(of_window);
  }
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
  if (settings.first_token == 0 || settings.first_token >= length) {
    throw InputError(fmt::format(
        "the prompt is {} tokens of a window of {} (one token at least has to be before what is "
        "predicted, and one behind). Choose a shorter prompt.",
        settings.first_token, length));
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

std::vector<std::size_t> windows_of_rank(std::size_t num_windows, std::size_t context_length,
                                         std::size_t rank, std::size_t num_ranks) {
  const std::size_t per_batch = windows_per_batch(context_length);
  std::vector<std::size_t> windows;
  for (std::size_t b = rank; b < num_tiles(num_windows, per_batch); b += num_ranks) {
    const Tile batch = tile_at(b, per_batch, num_windows);
    for (std::size_t w = batch.begin; w < batch.end; ++w) windows.push_back(w);
  }
  return windows;
}

std::vector<double> window_losses(Threads& threads, Log& log, const ScoredModel& scored,
                                  std::span<const std::uint32_t> tokens,
                                  const PerplexitySettings& settings,
                                  std::span<const std::size_t> windows,
                                  std::uint64_t max_hidden_bytes) {
  const model::ModelConfig& config = scored.config;
  const std::size_t length = settings.context_length;
  const std::size_t per_walk =
      windows_per_walk(windows.size(), length, config.hidden_size, max_hidden_bytes);
  const std::size_t num_walks = num_tiles(windows.size(), per_walk);
  const forward::EmbeddingAndHead ends(config, scored.weights, forward::Kept::in_source);
  const WalkProgress progress(log, config, num_walks);
  std::vector<double> losses;
  for (std::size_t walk = 0; walk < num_walks; ++walk) {
    const Tile part = tile_at(walk, per_walk, windows.size());
    const auto walked = tokens_of_windows(tokens, length, windows.subspan(part.begin, part.size()));
    const auto hidden = walk_through_blocks(threads, scored, ends, walked, length, progress, walk);
    add_losses(threads, ends, walked, settings, hidden, losses);
  }
  return losses;
}

Perplexity perplexity_of(std::span<const double> losses, const PerplexitySettings& settings) {
  require(!losses.empty(), "there are windows to score");
  double sum = 0;
  for (const double loss : losses) sum += loss;
  Perplexity result;
  result.num_windows = losses.size();
  result.context_length = settings.context_length;
  result.num_tokens = losses.size() * (settings.context_length - settings.first_token);
  result.mean_nll = sum / static_cast<double>(result.num_tokens);
  result.perplexity = std::exp(result.mean_nll);
  return result;
}

Perplexity perplexity(Threads& threads, Log& log, const ScoredModel& scored,
                      std::span<const std::uint32_t> tokens, const PerplexitySettings& settings) {
  const std::size_t num_windows = count_windows(tokens.size(), settings);
  const auto windows = windows_of_rank(num_windows, settings.context_length, 0, 1);
  return perplexity_of(window_losses(threads, log, scored, tokens, settings, windows), settings);
}

}  // namespace tessera::evaluation
