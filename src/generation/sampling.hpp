#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::generation {

/// How a token is chosen from the model's logits.
struct SamplingSettings {
  double temperature = 0;  ///< logits are divided by it; 0: the largest is taken (greedy)
  std::size_t top_k = 0;   ///< tokens that may be drawn, the most probable ones; 0: all
  double top_p = 1;        ///< as few of these as have this probability together
  std::uint64_t seed = 0;
};

/// Throws InputError for a temperature below 0 or a top_p that is no probability above 0.
void check(const SamplingSettings& settings);

/// The token at @p position of its sequence: softmax(logits / temperature) cut to top_k, then,
/// renormalized, to top_p (a token stays when those before it have less), then one draw, by counter
/// from (seed, position). Of equal logits the lowest token counts as the larger. Throws InputError
/// for logits that are not finite.
std::uint32_t choose_token(std::span<const float> logits, const SamplingSettings& settings,
                           std::size_t position);

}  // namespace tessera::generation
