#include <algorithm>
#include <chrono>

#include <fcntl.h>
#include <fmt/core.h>

#include "calibration/tokens.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "jobs/preflight/checks.hpp"
#include "jobs/tokenizer_process.hpp"
#include "store/archive.hpp"

namespace tessera::jobs {
namespace {

std::size_t tokens_of(const Path& file) {
  calibration::TokenStream stream;
  store::load(file, {{"kind", "tokens"}}, stream);
  return stream.tokens.size();
}

std::size_t check_ready_tokens(const QuantizeJob& job) {
  std::size_t count = 0;
  const auto& calibration = job.calibration;
  if (!calibration.tokens.empty()) {
    count = tokens_of(calibration.tokens);
    const auto wanted = static_cast<std::size_t>(calibration.num_samples) *
                        static_cast<std::size_t>(calibration.max_seq_length);
    require_input(count >= wanted,
                  fmt::format("{} holds {} tokens ({} samples of {} take {}). Give more text, or "
                              "lower calibration.num_samples.",
                              calibration.tokens.string(), count, calibration.num_samples,
                              calibration.max_seq_length, wanted));
  }
  if (!job.evaluation.tokens.empty()) count += tokens_of(job.evaluation.tokens);
  return count;
}

/// The texts that are still to be tokenized.
std::vector<Path> texts_of(const QuantizeJob& job) {
  std::vector<Path> texts = job.calibration.text;
  if (!job.evaluation.text.empty()) texts.push_back(job.evaluation.text);
  return texts;
}

}  // namespace

Finding check_tokens(RunContext& run, const QuantizeJob& job) {
  const std::size_t count = check_ready_tokens(job);
  const auto texts = texts_of(job);
  if (texts.empty()) {
    return {Verdict::ok, static_cast<double>(count), "tokens", "the token files are whole"};
  }
  if (!run.comm.is_first()) return {Verdict::ok, 0, "s", "the first rank tokenizes"};
  for (const Path& text : texts) {
    require_input(std::filesystem::is_regular_file(text),
                  fmt::format("{} does not exist. Give texts that there are.", text.string()));
    const Descriptor readable(text, O_RDONLY);
  }
  const auto start = std::chrono::steady_clock::now();
  TokenizerProcess tokenizer(run.helpers, job.model.path);
  const auto tokens = tokenizer.encode("The quick brown fox");
  require_input(
      !tokens.empty(),
      fmt::format("the tokenizer of {} makes no token of \"The quick brown fox\". Give the "
                  "model its own tokenizer.json.",
                  job.model.path.string()));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {Verdict::ok, taken.count(), "s", "the tokenizer starts and answers"};
}

}  // namespace tessera::jobs
