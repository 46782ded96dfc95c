#include "generation/generate.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::generation {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void check_prompt(const model::ModelConfig& config, std::size_t num_tokens) {
  require_input(num_tokens > 0,
                "the prompt has no tokens (a text is continued from its last token). Name a prompt "
                "that is not empty.");
  require_input(num_tokens < config.max_positions,
                fmt::format("the prompt has {} tokens (the model has {} positions, "
                            "max_position_embeddings, and every generated token takes one). "
                            "Shorten the prompt to at most {}.",
                            num_tokens, config.max_positions, config.max_positions - 1));
}

}  // namespace

std::string_view name_of(StopReason reason) {
  static constexpr std::array<std::string_view, 3> kNames = {"end_token", "max_tokens",
                                                             "max_positions"};
  return kNames[static_cast<std::size_t>(reason)];
}

Generation generate(Threads& threads, Log& log, const model::ModelConfig& config,
                    const model::TensorSource& weights, std::span<const std::uint32_t> prompt,
                    const GenerationSettings& settings,
                    const std::function<void(std::uint32_t)>& on_token, const BlockHook& hook) {
  check(settings.sampling);
  check_prompt(config, prompt.size());
  Generation result;
  result.num_prompt_tokens = prompt.size();
  if (settings.max_tokens == 0) return result;

  const std::size_t room = config.max_positions - prompt.size();
  const std::size_t max_tokens = std::min(settings.max_tokens, room);
  if (max_tokens < settings.max_tokens) result.stop = StopReason::max_positions;
  Decoder decoder(log, config, weights, prompt.size() + max_tokens, hook);

  const Stopwatch prefill;
  std::span<const float> logits = decoder.append(threads, prompt);
  result.prefill_seconds = prefill.seconds();
  const Stopwatch decode;
  for (;;) {
    const std::uint32_t token = choose_token(logits, settings.sampling, decoder.length());
    if (std::ranges::find(settings.end_tokens, token) != settings.end_tokens.end()) {
      result.stop = StopReason::end_token;
      break;
    }
    result.tokens.push_back(token);
    on_token(token);
    if (result.tokens.size() == max_tokens) break;
    logits = decoder.append(threads, {&token, 1});
    ++result.num_decoded;
  }
  result.decode_seconds = decode.seconds();
  return result;
}

}  // namespace tessera::generation
