#include "jobs/token_cache.hpp"

#include <optional>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/child_process.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "store/archive.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

calibration::TokenStream read_tokens(const fs::path& file) {
  calibration::TokenStream stream;
  store::load(file, {{"kind", "tokens"}}, stream);
  return stream;
}

/// What the cache holds, where it is of these texts and this tokenizer.
std::optional<calibration::TokenStream> fitting_cache(Log& log, const fs::path& cache,
                                                      const std::string& text_digest,
                                                      const std::string& tokenizer_digest) {
  if (!fs::exists(cache)) return std::nullopt;
  try {
    auto stream = read_tokens(cache);
    const bool fits =
        stream.text_digest == text_digest && stream.tokenizer_digest == tokenizer_digest;
    if (fits) return stream;
    log.detail(cache.string() + " is of another text or tokenizer; it is made again");
  } catch (const InputError& error) {
    log.warning(fmt::format("{}; it is made again", error.what()));
  }
  return std::nullopt;
}

void tokenize(RunContext& run, const TokenRequest& request) {
  std::vector<std::string> command = {(run.helpers / "tokenize").string(),
                                      request.tokenizer.parent_path().string(), "--output",
                                      request.cache.string(), "--text"};
  for (const auto& text : request.texts) command.push_back(text.string());
  run.log.info(fmt::format("tokenizing the {} text", request.key));
  fs::create_directories(request.cache.parent_path());
  const ChildResult result = run_child(
      command, run.stop, [&](const std::string& line) { run.log.detail("tokenize: " + line); });
  if (result.exit_code == 0) return;
  const std::string message =
      fmt::format("'{}' ended with exit code {}, saying:\n{}", fmt::join(command, " "),
                  result.exit_code, fmt::join(result.said, "\n"));
  if (result.exit_code == 2) throw InputError(message);  // the helpers' code for the user's mistake
  throw MachineError(message);
}

}  // namespace

calibration::TokenStream obtain_tokens(RunContext& run, const TokenRequest& request) {
  if (!request.ready.empty()) return read_tokens(request.ready);
  const std::string text_digest = calibration::digest_of_texts(request.texts);
  const std::string tokenizer_digest = digest_of_file(request.tokenizer);
  if (auto cached = fitting_cache(run.log, request.cache, text_digest, tokenizer_digest)) {
    return std::move(*cached);
  }
  tokenize(run, request);
  auto stream = read_tokens(request.cache);
  if (stream.text_digest != text_digest || stream.tokenizer_digest != tokenizer_digest) {
    throw InputError(fmt::format(
        "{} is of other bytes than the {} text and tokenizer that were named (did they change "
        "while they were tokenized?). Start again.",
        request.cache.string(), request.key));
  }
  return stream;
}

}  // namespace tessera::jobs
