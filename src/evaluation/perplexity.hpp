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

/// Always printed with its context length and token count: 5.12 and 5.47 are the same model at
/// different lengths.
struct Perplexity {
  double perplexity = 0;
  double mean_nll = 0;  ///< nats a predicted token
  std::uint64_t num_windows = 0;
  std::uint64_t num_tokens = 0;  ///< predicted: num_windows * (context_length - 1)
  std::uint64_t context_length = 0;

  /// "20.363 (40 windows of 2048 tokens, 81880 predicted)"
  std::string to_text() const;
};

/// Walks the fields past an archive; the same function loads and stores (store/archive.hpp).
template <class Archive>
void archive(Archive& a, Perplexity& p) {
  a("perplexity", p.perplexity);
  a("mean_nll", p.mean_nll);
  a("num_windows", p.num_windows);
  a("num_tokens", p.num_tokens);
  a("context_length", p.context_length);
}

/// How many whole windows of a text of @p num_tokens are scored. Throws InputError when the text is
/// shorter than one window, or a window too short to predict anything.
std::size_t count_windows(std::size_t num_tokens, const PerplexitySettings& settings);

/// Perplexity over windows of the token stream that do not overlap, no BOS added, the mean over the
/// L - 1 predicted tokens of each. Runs block by block over all windows (one block's weights in
/// memory; hidden states of all windows kept: num_windows * context_length * hidden_size floats),
/// sums in window order.
///
/// A mean that is not finite is returned as it is: the model's failure, not the caller's.
/// @param label what is scored, for the log: "original"
Perplexity perplexity(Threads& threads, Log& log, const model::ModelConfig& config,
                      const model::TensorSource& weights, std::span<const std::uint32_t> tokens,
                      const PerplexitySettings& settings, const std::string& label);

}  // namespace tessera::evaluation
