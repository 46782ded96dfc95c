#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace tessera::cluster {

/// How this process was started, as its environment says.
struct LaunchEnvironment {
  std::size_t num_ranks = 1;
  std::size_t rank = 0;
  std::string launcher;  ///< "mpirun", "srun", ...; empty when started by hand

  bool operator==(const LaunchEnvironment&) const = default;
};

/// Value of an environment variable, nullopt when it is not set.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

/// That of this process; a variable that is empty counts as not set.
std::optional<std::string> environment(const std::string& name);

/// Reads what launchers leave behind, the innermost first: an mpirun inside an srun step wins.
///   Open MPI   OMPI_COMM_WORLD_SIZE, OMPI_COMM_WORLD_RANK
///   MPICH, Intel MPI, srun --mpi=pmi2   PMI_SIZE, PMI_RANK
///   srun       SLURM_STEP_NUM_TASKS, SLURM_PROCID
/// A batch script is one process although SLURM_NTASKS, and SLURM_PROCID=0, are set in it: only
/// variables of a step count. Throws InputError for a value that is no number, or a rank outside
/// the ranks.
LaunchEnvironment read_launch_environment(const Lookup& lookup);

/// The same for this process.
LaunchEnvironment launch_environment();

}  // namespace tessera::cluster
