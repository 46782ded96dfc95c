#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schedulers/launch/slurm_settings.hpp"

// How a run gets started without waiting for it: by a batch system, or in the background of this
// machine.
namespace tessera::schedulers {

enum class JobState {
  queued,
  running,
  completed,
  failed,
  cancelled,
  timed_out,
  preempted,
  node_failed,
  out_of_memory,
  unknown,  ///< a word nobody foresaw, or nobody remembers the job
};
std::string name_of(JobState state);

/// Where a submission stands.
struct JobStatus {
  JobState state = JobState::unknown;
  std::string word;  ///< as the batch system says it: "COMPLETING"; empty: it knows of no such job
  std::string detail;  ///< why it waits or ended, or where it runs, as the batch system says it
  bool operator==(const JobStatus&) const = default;

  /// Whether it may still touch its work folder. What an unforeseen word means is not known.
  bool may_be_alive() const;
};

/// One run to be started.
struct LaunchRequest {
  std::string name;                ///< of the job: letters, digits, dots, dashes, underscores
  std::filesystem::path program;   ///< absolute: the batch system starts it elsewhere
  std::vector<std::string> words;  ///< what follows: "run", "job.yaml", "--resume"
  SlurmSettings settings;
};

/// Starts runs of one work folder, and asks about them by the number that submit() gave. Relative
/// paths mean the folder this program runs in, there too.
class Launcher {
 public:
  virtual ~Launcher() = default;

  virtual std::string name() const = 0;
  /// The script that submit() would hand over: a dry run.
  virtual std::string render(const LaunchRequest& request) const = 0;
  /// Its number. Throws MachineError with what was said when it is refused.
  virtual std::string submit(const LaunchRequest& request) = 0;
  /// Throws MachineError when nobody answers.
  virtual JobStatus status(const std::string& id) const = 0;
  /// Asks for its end; of one that has ended, nothing. Throws MachineError when that is refused.
  virtual void cancel(const std::string& id) = 0;
};

/// @p name "slurm" or "local"; throws InputError for another.
std::unique_ptr<Launcher> make_launcher(const std::string& name,
                                        const std::filesystem::path& work_dir);

/// @p word as a shell reads it as one word.
std::string shell_word(std::string_view word);

}  // namespace tessera::schedulers
