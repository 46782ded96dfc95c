#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "schedulers/launch/launcher.hpp"

// What a work folder remembers of the last submission of its run.
namespace tessera::schedulers {

/// WORK/submitted.json.
struct Submission {
  std::string launcher;      ///< "slurm" or "local"
  std::string id;            ///< as the launcher gave it
  std::string name;          ///< of the job
  std::string host;          ///< where it was submitted
  std::string submitted_at;  ///< "2026-11-22 10:00:01", that machine's time
  bool operator==(const Submission&) const = default;
};

std::filesystem::path script_of(const std::filesystem::path& work_dir);  ///< WORK/submit.slurm
std::filesystem::path successors_of(
    const std::filesystem::path& work_dir);  ///< of an attempt: see slurm_launcher.hpp

void remember(const std::filesystem::path& work_dir, const Submission& submission);
/// Nothing where nothing was submitted. Throws InputError for a damaged file.
std::optional<Submission> last_submission(const std::filesystem::path& work_dir);

/// The submission's own number, then those of the attempts that followed it by themselves.
std::vector<std::string> all_ids(const std::filesystem::path& work_dir,
                                 const Submission& submission);

/// A submission and the attempt that tells where it stands: one that runs before one that waits
/// before the last one that is known.
struct SubmissionStatus {
  std::string id;
  JobStatus status;
};
SubmissionStatus status_of(const Launcher& launcher, const std::vector<std::string>& ids);

/// Submits unless the last submission may still be alive; two that try at once take turns. Throws
/// InputError naming that one, and what submit() throws.
Submission submit_once(Launcher& launcher, const LaunchRequest& request,
                       const std::filesystem::path& work_dir);

}  // namespace tessera::schedulers
