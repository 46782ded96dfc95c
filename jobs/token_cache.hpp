#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "calibration/tokens.hpp"
#include "jobs/run_context.hpp"

namespace tessera::jobs {

/// A text the run needs as tokens: text files with a tokenizer, or a ready token file.
struct TokenRequest {
  std::string key;                           ///< "calibration" or "evaluation", the job's section
  std::vector<std::filesystem::path> texts;  ///< tokenized as one stream, in this order
  std::filesystem::path ready;               ///< instead of texts, when not empty
  std::filesystem::path tokenizer;           ///< tokenizer.json of a model folder
  std::filesystem::path cache;  ///< work folder's file to look in and to leave the tokens in
};

/// Reads the ready file, or the cache where its digests of texts and tokenizer fit, or runs
/// `tokenize` of the helpers and reads what it made. Throws InputError for a missing file, and
/// MachineError with the helper's own words when it fails.
calibration::TokenStream obtain_tokens(RunContext& run, const TokenRequest& request);

}  // namespace tessera::jobs
