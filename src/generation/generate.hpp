#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "core/log.hpp"
#include "core/threads.hpp"
#include "generation/decoder.hpp"
#include "generation/sampling.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::generation {

struct GenerationSettings {
  std::size_t max_tokens = 128;  ///< generated at most
  SamplingSettings sampling;
  std::vector<std::uint32_t> end_tokens;  ///< each ends the text and is no part of it
};

/// Why a text ends where it does.
enum class StopReason { end_token, max_tokens, max_positions };
std::string_view name_of(StopReason reason);  ///< "end_token", ...

struct Generation {
  std::vector<std::uint32_t> tokens;
  StopReason stop = StopReason::max_tokens;
  std::size_t num_prompt_tokens = 0;
  std::size_t num_decoded = 0;  ///< generated tokens that went through the model in their turn
  double prefill_seconds = 0;   ///< the prompt, up to the first token's logits
  double decode_seconds = 0;    ///< the others
};

/// Continues @p prompt with a plain or packed model, one token after the other, on the CPU in fp32,
/// until an end token, max_tokens, or the model's last position. All weights are held in memory.
/// @param on_token hears each token as it is chosen  @param hook may be empty
/// Throws InputError for an empty prompt, one that leaves no position to continue in, a token
/// outside the vocabulary, and settings that are out of range.
Generation generate(Threads& threads, Log& log, const model::ModelConfig& config,
                    const model::TensorSource& weights, std::span<const std::uint32_t> prompt,
                    const GenerationSettings& settings,
                    const std::function<void(std::uint32_t)>& on_token, const BlockHook& hook = {});

}  // namespace tessera::generation
