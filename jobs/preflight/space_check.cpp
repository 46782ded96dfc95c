#include <algorithm>
#include <filesystem>

#include <fmt/core.h>
#include <sys/stat.h>

#include "calibration/flat_statistics.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/preflight/checks.hpp"
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

double packed_bytes(const PreparedRun& prepared, const LayerUnit& unit) {
  const auto sizes = planned_sizes(unit, scale_type(prepared.job.output));
  const double weights =
      static_cast<double>(unit.layer.out_features) * static_cast<double>(unit.layer.in_features);
  const double residual = prepared.job.residual.is_wanted() ? prepared.job.residual.bits : 0;
  return weights * (stored_bits_per_weight(sizes) + residual) / 8;
}

Finding finding_of(const fs::path& folder, std::uint64_t wanted, const char* what) {
  const double need = static_cast<double>(wanted);
  const double free = static_cast<double>(fs::space(folder).available);
  const std::string seen = fmt::format("{} takes {}, {} are free in {}", what, bytes_text(need),
                                       bytes_text(free), folder.string());
  if (need <= free) return {Verdict::ok, free, "bytes", seen};
  return {Verdict::failed, free, "bytes", seen + ". Make room, or name another folder."};
}

}  // namespace

WrittenBytes written_bytes(const PreparedRun& prepared) {
  double work = 0, output = 0, numbers_left = 0;
  for (const std::size_t block : blocks_of(prepared.units)) {
    for (const auto& role : roles_of_block(prepared.units, block)) {
      const std::size_t channels = model::channels_of(prepared.config, role);
      work += 8.0 * static_cast<double>(calibration::flat_size({channels, prepared.extras}));
    }
  }
  for (const LayerUnit& unit : prepared.units) {
    output += packed_bytes(prepared, unit);
    numbers_left -= static_cast<double>(unit.layer.out_features * unit.layer.in_features);
  }
  for (const auto& file : prepared.weights->files()) {
    for (const auto& [name, entry] : file.entries()) {
      numbers_left += static_cast<double>(entry.info.count());
    }
  }
  // Solved layers hold indices in 16 bits where the format packs fewer; hidden states are kept of
  // two blocks.
  constexpr double kLoose = 2;
  const double hidden = sizeof(float) * static_cast<double>(prepared.num_samples()) *
                        static_cast<double>(prepared.sample_length()) *
                        static_cast<double>(prepared.config.hidden_size);
  work += kLoose * output + 2 * hidden;
  output += numbers_left * static_cast<double>(size_of(dtype_of(prepared.job.output.dtype)));
  const auto whole = [](double bytes) { return static_cast<std::uint64_t>(bytes); };
  return {whole(work), whole(output)};
}

Finding check_space(RunContext&, const PreparedRun& prepared) {
  const QuantizeJob& job = prepared.job;
  const WrittenBytes bytes = written_bytes(prepared);
  const std::uint64_t bound = job.runtime.scratch;
  if (bound > 0 && bytes.work > bound) {
    return {Verdict::failed, static_cast<double>(bytes.work), "bytes",
            fmt::format("the work folder takes {} (runtime.scratch is {}). Allow more.",
                        bytes_text(static_cast<double>(bytes.work)),
                        bytes_text(static_cast<double>(bound)))};
  }
  const fs::path work = existing_folder(job.runtime.work_dir);
  const fs::path output = existing_folder(job.output.dir);
  const std::uint64_t there = std::min(bytes.work, bytes_below(job.runtime.work_dir));
  const std::uint64_t left = bytes.work - there;
  if (file_system_of(work) == file_system_of(output)) {
    return finding_of(work, left + bytes.output, "what is still to be written, and the output,");
  }
  const Finding of_work = finding_of(work, left, "what is still to be written");
  const Finding of_output = finding_of(output, bytes.output, "the output");
  return of_output.verdict > of_work.verdict ? of_output : of_work;
}

}  // namespace tessera::jobs
