#include "evaluation/divergence.hpp"

#include "evaluation/window_walk.hpp"
#include "forward/token_scores.hpp"

namespace tessera::evaluation {
namespace {

/// The scores of windows whose hidden states have passed all blocks of both models.
void add_scores(Threads& threads, const forward::HeadInput& original,
                const forward::HeadInput& quantized, std::span<const std::uint32_t> walked,
                const PerplexitySettings& settings, std::vector<WindowScore>& scores) {
  const std::vector<Tile> parts = scored_rows(walked.size(), settings);
  const auto of_rows =
      forward::score_tokens(threads, original, quantized, next_tokens(walked), parts);
  for (const Tile& part : parts) {
    WindowScore& window = scores.emplace_back();
    for (std::size_t i = part.begin; i < part.end; ++i) {
      window.original_loss += of_rows[i].original_loss;
      window.quantized_loss += of_rows[i].quantized_loss;
      window.divergence += of_rows[i].divergence;
    }
  }
}

template <class Loss>
Perplexity perplexity_by(std::span<const WindowScore> windows, const PerplexitySettings& settings,
                         Loss loss) {
  std::vector<double> losses;
  for (const WindowScore& window : windows) losses.push_back(window.*loss);
  return perplexity_of(losses, settings);
}

}  // namespace

std::vector<WindowScore> window_scores(Threads& threads, Log& log, const ScoredModel& original,
                                       const ScoredModel& quantized,
                                       std::span<const std::uint32_t> tokens,
                                       const PerplexitySettings& settings,
                                       std::span<const std::size_t> windows,
                                       std::uint64_t max_hidden_bytes) {
  const std::size_t length = settings.context_length;
  const std::size_t per_walk =
      windows_per_walk(windows.size(), length, 2 * original.config.hidden_size, max_hidden_bytes);
  const std::size_t num_walks = num_tiles(windows.size(), per_walk);
  const forward::EmbeddingAndHead original_ends(original.config, original.weights,
                                                forward::Kept::in_source);
  const forward::EmbeddingAndHead quantized_ends(quantized.config, quantized.weights,
                                                 forward::Kept::in_source);
  const WalkProgress progress(log, original.config, 2 * num_walks);
  std::vector<WindowScore> scores;
  for (std::size_t walk = 0; walk < num_walks; ++walk) {
    const Tile part = tile_at(walk, per_walk, windows.size());
    const auto walked = tokens_of_windows(tokens, length, windows.subspan(part.begin, part.size()));
    const auto before =
        walk_through_blocks(threads, original, original_ends, walked, length, progress, 2 * walk);
    const auto after = walk_through_blocks(threads, quantized, quantized_ends, walked, length,
                                           progress, 2 * walk + 1);
    add_scores(threads, {original_ends, before}, {quantized_ends, after}, walked, settings, scores);
  }
  return scores;
}

Scores scores_of(std::span<const WindowScore> windows, const PerplexitySettings& settings) {
  Scores scores;
  scores.original = perplexity_by(windows, settings, &WindowScore::original_loss);
  scores.quantized = perplexity_by(windows, settings, &WindowScore::quantized_loss);
  double sum = 0;
  for (const WindowScore& window : windows) sum += window.divergence;
  scores.divergence.num_tokens = scores.quantized.num_tokens;
  scores.divergence.mean = sum / static_cast<double>(scores.divergence.num_tokens);
  return scores;
}

}  // namespace tessera::evaluation
