#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/json_value.hpp"
#include "generation/generate.hpp"
#include "jobs/run_context.hpp"
#include "residual/channel_selection.hpp"

namespace tessera::jobs {

/// A text to be continued by a model folder, plain or packed.
struct GenerateRequest {
  std::filesystem::path model;
  std::string prompt;  ///< taken as it is: no chat template
  std::size_t max_tokens = 128;
  double temperature = 0;  ///< 0: greedy
  double top_p = 1;
  std::size_t top_k = 0;  ///< 0: all
  std::uint64_t seed = 0;
  std::filesystem::path residual;        ///< the model's residual file; empty: none
  std::optional<std::uint64_t> k_chunk;  ///< channels fetched of every 1024; else the file's own
  residual::SelectionRule selection = residual::SelectionRule::exact;
};

struct GenerateResult {
  std::string text;  ///< what follows the prompt
  generation::Generation generation;
  std::uint64_t bytes_per_token = 0;  ///< of residuals, fetched for each generated token

  double prefill_tokens_per_second() const;  ///< 0 where nothing was computed
  double decode_tokens_per_second() const;
};

/// Tokenizes the prompt as the model's tokenizer does for a text (with its BOS, if it has one) and
/// continues it. Residuals compensate what is generated; the prompt's own keys and values stay as
/// the packed model makes them, as DecDEC is deployed. Throws InputError for a folder, prompt,
/// setting or tokenizer that is missing or does not fit.
/// @param on_text hears the text as it grows, in whole characters
GenerateResult generate_text(RunContext& run, const GenerateRequest& request,
                             const std::function<void(std::string_view)>& on_text);

/// The document of `tessera generate --json`: "text", "tokens", "stop", ...
JsonValue to_json(const GenerateRequest& request, const GenerateResult& result);

}  // namespace tessera::jobs
