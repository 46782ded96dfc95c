#pragma once
#include <cstddef>
#include <filesystem>
#include <vector>

#include "core/json_value.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/compensated_score.hpp"
#include "jobs/run_context.hpp"

namespace tessera::jobs {

/// Perplexity of a model folder, plain or packed, without a job.
struct EvalRequest {
  std::filesystem::path model;
  std::vector<std::filesystem::path>
      texts;  ///< tokenized once, as one stream, in this order; no BOS
  std::size_t context_length = 2048;
  std::size_t max_windows = 0;              ///< 0: as many whole windows as the text has
  std::optional<ResidualRequest> residual;  ///< with it, the model is scored compensated
};

struct EvalResult {
  evaluation::Perplexity score;  ///< with residuals, that of the first k_chunk
  std::vector<CompensatedScore> compensated;
  double base_bits = 0;  ///< a weight of the packed model, as its manifest says; 0: it has none
  std::size_t num_text_tokens = 0;  ///< of the whole text
  std::string text_digest;          ///< SHA-256 of the texts' bytes
  double seconds = 0;               ///< scoring alone
};

/// Throws InputError for a folder, text or tokenizer that is missing or does not fit the model.
EvalResult eval_model(RunContext& run, const EvalRequest& request);

/// The document of `tessera eval --json`: "perplexity", "tokens" (predicted), "context_length",
/// "windows", ...
JsonValue to_json(const EvalRequest& request, const EvalResult& result);

}  // namespace tessera::jobs
