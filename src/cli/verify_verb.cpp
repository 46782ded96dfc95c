#include <cstdio>

#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "jobs/verify.hpp"

namespace tessera::cli {
namespace {

std::string verdict(const jobs::Verification& found) {
  const std::string looked_at =
      found.num_tensors == 0
          ? fmt::format("{} files", found.num_files)
          : fmt::format("{} files, {} tensors", found.num_files, found.num_tensors);
  if (found.is_sound()) {
    return fmt::format("{} ({}) is sound: {}", found.path.string(), found.kind, looked_at);
  }
  return fmt::format("{} ({}) is damaged: {}, {} finding{}", found.path.string(), found.kind,
                     looked_at, found.findings.size(), found.findings.size() == 1 ? "" : "s");
}

}  // namespace

int verify_verb(const Arguments& words) {
  std::string path;
  bool json = false;
  CommandLine line(
      "verify",
      "Checks an output or a work folder against what it says of itself: every size "
      "and digest, and of an\noutput all that the gate asks before it publishes. Needs "
      "no network, writes nothing, and ends with 4\nwhen something is wrong.");
  line.argument("DIR", "the folder", path);
  line.flag("json", "print the findings as one JSON document", json);
  line.example("tessera verify models/smollm2-135m-vptq-2bit");
  line.example("tessera verify work/smollm2-vptq --json");
  if (!line.parse(words)) return kDone;

  const jobs::Verification found = jobs::verify(path);
  for (const std::string& remark : found.remarks) fmt::print(stderr, "note: {}\n", remark);
  for (const std::string& finding : found.findings) fmt::print(stderr, "{}\n", finding);
  fmt::print("{}\n", json ? jobs::to_json(found).to_text(2) : verdict(found));
  return found.is_sound() ? kDone : kGateFailed;
}

}  // namespace tessera::cli
