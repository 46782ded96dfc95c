#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "core/threads.hpp"
#include "evaluation/compensation.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::evaluation {

struct PerplexitySettings {
  std::size_t context_length = 2048;
  std::size_t max_windows = 0;  ///< 0: as many whole windows as the text has
  std::size_t first_token = 1;  ///< of a window that is scored; those before it are its prompt
};

/// Always printed with its context length and token count: 5.12 and 5.47 are the same model at
/// different lengths.
struct Perplexity {
  double perplexity = 0;
  double mean_nll = 0;  ///< nats a predicted token
  std::uint64_t num_windows = 0;
  std::uint64_t num_tokens = 0;  ///< predicted: num_windows * (context_length - first_token)
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

/// What is scored, and what the log calls it.
struct ScoredModel {
  const model::ModelConfig& config;
  const model::TensorSource& weights;
  std::string label;                         ///< "original"
  const Compensator* compensator = nullptr;  ///< of a packed model; none where it is null
};

/// How many whole windows of a text of @p num_tokens are scored. Throws InputError when the text is
/// shorter than one window, or a window too short to predict anything.
std::size_t count_windows(std::size_t num_tokens, const PerplexitySettings& settings);

/// The windows that share @p rank of @p num_ranks scores, ascending. Windows go through the model
/// in batches of a fixed number of tokens; whole batches are dealt out in turn, so that every
/// window is computed in the same company for every number of ranks.
std::vector<std::size_t> windows_of_rank(std::size_t num_windows, std::size_t context_length,
                                         std::size_t rank, std::size_t num_ranks);

/// The loss of each of @p windows, in nats: the sum over its tokens 1 ... L - 1, no BOS added; from
/// token @p first_token on where that is more than 1. Runs
/// block by block over all of them (one block's weights in memory; hidden states of the windows at
/// hand kept: windows * context_length * hidden_size floats).
/// @param max_hidden_bytes where hidden states would take more, windows are scored in several walks
/// through the blocks; 0 for no bound
std::vector<double> window_losses(Threads& threads, Log& log, const ScoredModel& scored,
                                  std::span<const std::uint32_t> tokens,
                                  const PerplexitySettings& settings,
                                  std::span<const std::size_t> windows,
                                  std::uint64_t max_hidden_bytes = 0);

/// Perplexity of a text whose windows have these losses: summed in window order. A mean that is not
/// finite is returned as it is: the model's failure, not the caller's.
Perplexity perplexity_of(std::span<const double> losses, const PerplexitySettings& settings);

/// All of it in one process: perplexity over windows of the token stream that do not overlap, the
/// mean over the L - 1 predicted tokens of each.
Perplexity perplexity(Threads& threads, Log& log, const ScoredModel& scored,
                      std::span<const std::uint32_t> tokens, const PerplexitySettings& settings);

}  // namespace tessera::evaluation
