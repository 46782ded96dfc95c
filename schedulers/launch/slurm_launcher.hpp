#pragma once
#include "schedulers/launch/launcher.hpp"

namespace tessera::schedulers {

/// Hands runs to Slurm by its commands: sbatch, squeue, scancel. Accounting (sacct) is not asked:
/// many sites have none, so a job is known for as long as the controller remembers it (minutes,
/// after its end).
///
/// The script asks for what the job's slurm section says and ends in run_resumable.sh, which stands
/// beside the program. It is kept as WORK/submit.slurm. Where requeueing is forbidden
/// (slurm.requeue), attempts submit their successors and note them in WORK/submitted.successors,
/// one number a line (submission.hpp reads them).
class SlurmLauncher : public Launcher {
 public:
  explicit SlurmLauncher(std::filesystem::path work_dir) : work_dir_(std::move(work_dir)) {}

  std::string name() const override { return "slurm"; }
  std::string render(const LaunchRequest& request) const override;
  std::string submit(const LaunchRequest& request) override;
  JobStatus status(const std::string& id) const override;
  void cancel(const std::string& id) override;

 private:
  std::filesystem::path work_dir_;
};

/// What Slurm's word for a state means ("COMPLETING" is still running).
JobState state_of_slurm(std::string_view word);

}  // namespace tessera::schedulers
