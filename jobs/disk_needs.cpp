#include "jobs/disk_needs.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <sys/stat.h>

#include "core/error.hpp"
#include "core/human_text.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/planned_scratch.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/preflight/probe_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

std::uint64_t file_system_of(const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    throw MachineError::from_errno("cannot look at " + folder.string());
  }
  return static_cast<std::uint64_t>(status.st_dev);
}

std::uint64_t bytes_below(const fs::path& folder) {
  if (!fs::is_directory(folder)) return 0;
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::error_code gone;
    const auto size = entry.is_regular_file(gone) ? entry.file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

std::string text_of(std::uint64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

double packed_bytes(const PreparedRun& prepared, const LayerUnit& unit) {
  const auto sizes = planned_sizes(unit, scale_type(prepared.job.output));
  const double weights =
      static_cast<double>(unit.layer.out_features) * static_cast<double>(unit.layer.in_features);
  const double residual = prepared.job.residual.is_wanted() ? prepared.job.residual.bits : 0;
  return weights * (stored_bits_per_weight(sizes) + residual) / 8;
}

}  // namespace

RunBytes bytes_of_run(const PreparedRun& prepared) {
  double output = 0, numbers_left = 0;
  for (const LayerUnit& unit : prepared.units) {
    output += packed_bytes(prepared, unit);
    numbers_left -= static_cast<double>(unit.layer.out_features * unit.layer.in_features);
  }
  for (const auto& file : prepared.weights->files()) {
    for (const auto& [name, entry] : file.entries()) {
      numbers_left += static_cast<double>(entry.info.count());
    }
  }
  output += numbers_left * static_cast<double>(size_of(dtype_of(prepared.job.output.dtype)));
  return {plan_scratch(prepared).peak_bytes, static_cast<std::uint64_t>(output)};
}

std::string DiskNeed::to_text() const {
  const std::string seen = fmt::format("{} takes {}, {} are free in {}", what, text_of(needed),
                                       text_of(free), folder.string());
  return fits() ? seen : seen + ". Make room, or name another folder.";
}

std::vector<DiskNeed> disk_needs(const PreparedRun& prepared) {
  const RunBytes bytes = bytes_of_run(prepared);
  const fs::path &work_dir = prepared.job.runtime.work_dir, &output_dir = prepared.job.output.dir;
  const std::uint64_t work = bytes.work - std::min(bytes.work, bytes_below(work_dir));
  const std::uint64_t output =
      bytes.output - std::min(bytes.output, bytes_below(partial_folder(output_dir)));
  const fs::path at_work = existing_folder(work_dir), at_output = existing_folder(output_dir);
  const auto free_in = [](const fs::path& folder) {
    return static_cast<std::uint64_t>(fs::space(folder).available);
  };
  if (file_system_of(at_work) == file_system_of(at_output)) {
    return {
        {"what is still to be written, and the output,", at_work, work + output, free_in(at_work)}};
  }
  return {{"what is still to be written", at_work, work, free_in(at_work)},
          {"the output", at_output, output, free_in(at_output)}};
}

std::string scratch_problem(const PreparedRun& prepared) {
  const std::uint64_t bound = prepared.job.runtime.scratch;
  const std::uint64_t work = plan_scratch(prepared).peak_bytes;
  if (bound == 0 || work <= bound) return "";
  return fmt::format("the work folder {} takes {} (runtime.scratch is {}). Allow more.",
                     prepared.job.runtime.work_dir.string(), text_of(work), text_of(bound));
}

void require_disk(const PreparedRun& prepared) {
  const std::string problem = scratch_problem(prepared);
  require_input(problem.empty(), problem);
  for (const DiskNeed& need : disk_needs(prepared)) {
    if (!need.fits()) throw MachineError(need.to_text());
  }
}

}  // namespace tessera::jobs
