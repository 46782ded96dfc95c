#include "model/check_tensors.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/open_weights.hpp"
#include "jobs/gate/checks.hpp"
#include "model/quoted_name.hpp"

namespace tessera::jobs {
namespace {

using model::quote_name;

std::string form_of(const WeightFile& file, const std::string& tensor) {
  try {
    return file.content->entry(tensor).info.to_text();
  } catch (const InputError& error) {  // a type nobody can read
    return error.what();
  }
}

/// Against what was meant, by the headers alone.
void compare_names(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict) {
  for (const auto& [tensor, record] : manifest.tensors) {
    const auto found = files.tensors().find(tensor);
    if (found == files.tensors().end()) {
      verdict.add("tensors", tensor,
                  fmt::format("tensor {} ({}) is missing.", quote_name(tensor), record.form));
      continue;
    }
    const std::string form = form_of(*found->second.front(), tensor);
    if (form == record.form) continue;
    verdict.add(
        "tensors", tensor,
        fmt::format("tensor {} is {} (it was made as {}).", quote_name(tensor), form, record.form));
  }
  if (manifest.tensors.empty()) return;
  for (const auto& [tensor, holders] : files.tensors()) {
    if (manifest.tensors.contains(tensor)) continue;
    verdict.add("tensors", tensor,
                fmt::format("tensor {} in {} is none of this model's (the manifest has no such "
                            "tensor).",
                            quote_name(tensor), quote_name(holders.front()->name)));
  }
}

/// The tensor that a finding of the reader begins with, for its name.
std::string first_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

}  // namespace

void check_tensors(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict) {
  verdict.check("tensors").num_looked_at = files.tensors().size();
  compare_names(files, manifest, verdict);
  verdict.check("reader").num_looked_at = 1;
  try {
    const model::ModelConfig config = model::read_model_config(files.folder());
    const auto weights = format::open_weights(files.folder());
    for (const std::string& problem : model::tensor_problems(*weights, config)) {
      verdict.add("tensors", first_word(problem), problem + ".");
    }
  } catch (const InputError& error) {
    verdict.add("reader", "quantization_config", error.what());
  }
}

}  // namespace tessera::jobs
