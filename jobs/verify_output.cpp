#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"
#include "jobs/gate/checks.hpp"
#include "jobs/verify.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// "gate": what was published has a verdict, and it is that it passed.
void check_verdict(const OutputFiles& files, Verdict& verdict) {
  verdict.check("gate").num_looked_at = 1;
  const fs::path file = files.folder() / kGateFile;
  try {
    const Verdict stored =
        verdict_from_json(JsonValue::parse(read_text_file(file), file.string()), file.string());
    if (stored.has_passed()) return;
    verdict.add("gate", kGateFile,
                fmt::format("{} says that the gate refused this output.", kGateFile));
  } catch (const InputError& error) {
    verdict.add("gate", kGateFile, error.what());
  }
}

void check_everything(const fs::path& folder, const format::Manifest& manifest,
                      Verification& found) {
  const OutputFiles files(folder);
  check_papers(files, manifest, found.verdict);
  check_values(files, manifest, {}, found.verdict);
  found.num_files = manifest.files.size();
  found.num_tensors = found.verdict.num_looked_at("values");
  if (manifest.tensors.empty()) {
    found.remarks.push_back(
        fmt::format("{} was made by an older version of this program, which did not write down "
                    "its tensors.",
                    folder.string()));
  } else {
    check_verdict(files, found.verdict);
  }
}

}  // namespace

Verification verify_output(const fs::path& folder) {
  Verification found{folder, "output", 0, 0, {}, {}, {}};
  try {
    check_everything(folder, format::read_manifest(folder), found);
  } catch (const InputError& error) {
    found.verdict.add("manifest", format::kManifestName, error.what());
  }
  for (const std::string& problem : found.verdict.sentences()) {
    found.findings.push_back(fmt::format("{}: {}", folder.string(), problem));
  }
  return found;
}

}  // namespace tessera::jobs
