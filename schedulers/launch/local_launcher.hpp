#pragma once
#include "schedulers/launch/launcher.hpp"

namespace tessera::schedulers {

/// Starts runs in the background of this machine, in a session of their own: the program, or mpirun
/// with as many ranks as the job puts on one node. What they say goes to WORK/local.log; who they
/// are to WORK/local.pid, with the time of their start and the machine's boot, so that another
/// process that got the same number later is never taken for them; how they ended to
/// WORK/local.exit.
class LocalLauncher : public Launcher {
 public:
  explicit LocalLauncher(std::filesystem::path work_dir) : work_dir_(std::move(work_dir)) {}

  std::string name() const override { return "local"; }
  std::string render(const LaunchRequest& request) const override;
  std::string submit(const LaunchRequest& request) override;
  /// Of the run that was started last: of another number, and on another machine, nothing is known.
  JobStatus status(const std::string& id) const override;
  /// SIGUSR1 to its process group: it leaves with what is committed, resumable.
  void cancel(const std::string& id) override;

 private:
  std::filesystem::path file(const char* name) const { return work_dir_ / name; }

  std::filesystem::path work_dir_;
};

}  // namespace tessera::schedulers
