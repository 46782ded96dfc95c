#include <fmt/core.h>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "jobs/gate/checks.hpp"
#include "model/quoted_name.hpp"

namespace tessera::jobs {
namespace {

constexpr std::string_view kFromModel = "model/";

/// config.json and the weights are made anew; everything else of the model is copied.
bool is_copied(const std::string& file) {
  return file != "config.json" && !file.ends_with(".safetensors");
}

}  // namespace

void check_tokenizer(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict) {
  verdict.check("tokenizer");
  for (const auto& [input, digest] : manifest.inputs) {
    if (!input.starts_with(kFromModel)) continue;
    const std::string file = input.substr(kFromModel.size());
    if (!is_copied(file)) continue;
    ++verdict.check("tokenizer").num_looked_at;
    if (!files.has(file)) {
      verdict.add("tokenizer", file,
                  fmt::format("{} is missing (the model has one).", model::quote_name(file)));
      continue;
    }
    const std::string found = digest_of_file(files.folder() / file);
    if (found == digest) continue;
    verdict.add("tokenizer", file,
                fmt::format("{} is not the model's (its sha256 is {}, the model's {}).",
                            model::quote_name(file), found, digest));
  }
}

}  // namespace tessera::jobs
