#include <algorithm>
#include <iterator>

#include <fmt/core.h>

#include "format/companion_files.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/gate/checks.hpp"
#include "model/quoted_name.hpp"

namespace tessera::jobs {
namespace {

/// Files of an output that neither are weights nor come from the model.
constexpr const char* kPapers[] = {"config.json", "quantize_config.json", "README.md", kGateFile};

bool is_weight_file(const std::string& name) {
  for (const std::string_view stem : {model::kModelStem, format::kResidualStem}) {
    if (is_of_stem(name, stem) || name == model::index_file_name(stem)) return true;
  }
  return false;
}

/// Made by the user's own tools: .git, .cache.
bool is_hidden(const std::string& name) {
  return name.starts_with('.') || name.find("/.") != std::string::npos;
}

/// Whatever the manifest lists: one that was written again may list what does not belong.
bool belongs(const std::string& name, const format::Manifest& manifest) {
  if (manifest.tensors.empty()) return manifest.files.contains(name);
  if (is_weight_file(name) || manifest.inputs.contains("model/" + name)) return true;
  return std::ranges::find(kPapers, name) != std::end(kPapers);
}

}  // namespace

void check_files(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict) {
  verdict.check("files").num_looked_at = files.names().size();
  for (const std::string& name : files.names()) {
    if (is_hidden(name)) continue;
    if (belongs(name, manifest) && manifest.files.contains(name)) continue;
    verdict.add(
        "files", name,
        fmt::format("{} is no file of this output ({}). Remove it.", model::quote_name(name),
                    is_weight_file(name) ? "stale weights?" : "nothing refers to it"));
  }
  verdict.check("digests").num_looked_at = manifest.files.size();
  for (const auto& [name, record] : manifest.files) {
    const std::string problem = format::file_problem(files.folder(), name, record);
    if (!problem.empty()) verdict.add(files.has(name) ? "digests" : "files", name, problem);
  }
}

}  // namespace tessera::jobs
