#include <algorithm>

#include "jobs/disk_needs.hpp"
#include "jobs/preflight/checks.hpp"

namespace tessera::jobs {
namespace {

Finding finding_of(const DiskNeed& need) {
  return {need.fits() ? Verdict::ok : Verdict::failed, static_cast<double>(need.free), "bytes",
          need.to_text()};
}

}  // namespace

Finding check_space(RunContext&, const PreparedRun& prepared) {
  if (const std::string problem = scratch_problem(prepared); !problem.empty()) {
    return {Verdict::failed, static_cast<double>(bytes_of_run(prepared).work), "bytes", problem};
  }
  const std::vector<DiskNeed> needs = disk_needs(prepared);
  return finding_of(*std::ranges::min_element(needs, {}, &DiskNeed::fits));
}

}  // namespace tessera::jobs
