#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "core/log.hpp"
#include "core/threads.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::evaluation {

struct PerplexitySettings {
  std::size_t context_length = 2048;
  std::size_t max_windows = 0;  ///< 0: as many whole windows as the text has
};

/// Always printed with its context length and token count: 5.12 and 5.47 are the same model at different lengths.
struct Perplexity {
  double perplexity = 0;
  double mean_nll = 0;             ///< nats a predicted token
  std::size_t num_windows = 0;
  std::size_t num_tokens = 0;      ///< predicted: num_windows * (context_length - 1)
  std::size_t context_length = 0;
};

/// Perplexity over windows of the token stream that do not overlap, no BOS added, the mean over the L - 1 predicted tokens of each.
/// Runs block by block over all windows (one block's weights in memory; hidden states of all windows kept), sums in window order.
/// Throws InputError when the text is shorter than one window.
Perplexity perplexity(Threads& threads, Log& log, const model::ModelConfig& config,
                      const model::TensorSource& weights, std::span<const std::uint32_t> tokens,
                      const PerplexitySettings& settings, const std::string& label);

}  // namespace tessera::evaluation
