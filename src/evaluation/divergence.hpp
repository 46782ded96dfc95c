#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/log.hpp"
#include "core/threads.hpp"
#include "evaluation/perplexity.hpp"

// How far a packed model is from its original on the same text. Perplexity says whether the text
// became less likely; divergence says whether the model predicts something else, also where the
// text happens to like it.
namespace tessera::evaluation {

/// Of one window, summed over its predicted tokens, in nats.
struct WindowScore {
  double original_loss = 0, quantized_loss = 0;
  double divergence = 0;  ///< Kullback-Leibler, of the quantized next-token distribution
};

/// The scores of each of @p windows, both models walked through the same windows. The losses have
/// the bits of window_losses.
/// @param max_hidden_bytes of both models together; 0 for no bound
/// @pre both have one vocabulary
std::vector<WindowScore> window_scores(Threads& threads, Log& log, const ScoredModel& original,
                                       const ScoredModel& quantized,
                                       std::span<const std::uint32_t> tokens,
                                       const PerplexitySettings& settings,
                                       std::span<const std::size_t> windows,
                                       std::uint64_t max_hidden_bytes = 0);

/// Mean over the predicted tokens of KL(original || quantized), in nats: 0 for models that predict
/// alike. A mean that is not finite is returned as it is.
struct Divergence {
  double mean = 0;
  std::uint64_t num_tokens = 0;
};

template <class Archive>
void archive(Archive& a, Divergence& d) {
  a("mean", d.mean);
  a("num_tokens", d.num_tokens);
}

/// Of all windows of a text: summed in window order.
struct Scores {
  Perplexity original, quantized;
  Divergence divergence;
};
Scores scores_of(std::span<const WindowScore> windows, const PerplexitySettings& settings);

}  // namespace tessera::evaluation
