#include "jobs/gate/check_output.hpp"

#include <sstream>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "format/open_weights.hpp"
#include "jobs/gate/check_layers.hpp"
#include "jobs/gate/checks.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/stages/output_papers.hpp"

namespace tessera::jobs {
namespace {

/// Of a folder that its reader opens; what it refuses "reader" has said.
void compare_with_run(const PreparedRun& prepared, const AssembledModel& assembled,
                      const WorkFolder& work, const Path& folder, Share share, Verdict& verdict) {
  const EqualizedWeights original(prepared, work);
  std::unique_ptr<model::TensorSource> packed;
  try {
    packed = format::open_weights(folder);
  } catch (const InputError&) {
    for (const char* check : {"layers", "originals"}) {
      verdict.check(check).not_made = "the reader does not open the folder";
    }
    return;
  }
  check_layers(prepared, work, original, *packed, share, verdict);
  check_originals(prepared, assembled.sizes, work, original, *packed, share, verdict);
}

/// What all ranks found, in one order of checks whatever their number.
Verdict verdict_of_all(RunContext& run, const Verdict& mine) {
  Verdict all;
  for (const std::string& of_rank : run.comm.all_gather(to_json(mine).to_text())) {
    const std::string origin = "another rank's share";
    all.merge(verdict_from_json(JsonValue::parse(of_rank, origin), origin));
  }
  return all;
}

void take_digests(RunContext& run, const std::map<std::string, std::string>& mine,
                  format::Manifest& manifest) {
  JsonValue object = JsonValue::object();
  for (const auto& [tensor, digest] : mine) object.set(tensor, digest);
  for (const std::string& of_rank : run.comm.all_gather(object.to_text())) {
    const JsonValue theirs = JsonValue::parse(of_rank, "digests");
    for (const auto& [tensor, digest] : theirs.entries()) {
      const auto record = manifest.tensors.find(tensor);
      if (record != manifest.tensors.end()) record->second.sha256 = digest.text();
    }
  }
}

}  // namespace

CheckedOutput check_output(RunContext& run, const PreparedRun& prepared,
                           const AssembledModel& assembled, const WorkFolder& work) {
  const Path folder = partial_folder(prepared.job.output.dir);
  CheckedOutput checked;
  std::map<std::string, std::string> digests;
  const Verdict mine = cluster::on_all_ranks(run.comm, [&] {
    Verdict verdict;
    const Share share{run.comm.rank(), run.comm.size()};
    checked.manifest = manifest_of(prepared, assembled, meant_files(prepared, assembled, folder));
    const OutputFiles files(folder);
    if (run.comm.is_first()) check_papers(files, checked.manifest, verdict);
    digests = check_values(files, checked.manifest, share, verdict);
    compare_with_run(prepared, assembled, work, folder, share, verdict);
    return verdict;
  });
  checked.verdict = verdict_of_all(run, mine);
  take_digests(run, digests, checked.manifest);
  return checked;
}

}  // namespace tessera::jobs
