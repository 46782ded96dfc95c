#include "cluster/launch_environment.hpp"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::cluster {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

LaunchEnvironment read(const std::map<std::string, std::string>& variables) {
  return read_launch_environment([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(LaunchEnvironment, IsOneProcessWhenNothingIsSet) {
  EXPECT_EQ(read({}), (LaunchEnvironment{1, 0, ""}));
}

TEST(LaunchEnvironment, IsOneProcessInABatchScriptOfManyTasks) {
  // What sbatch --ntasks=4 leaves in the script itself: no step, yet SLURM_NTASKS and SLURM_PROCID.
  EXPECT_EQ(read({{"SLURM_JOB_ID", "200505"},
                  {"SLURM_NTASKS", "4"},
                  {"SLURM_NPROCS", "4"},
                  {"SLURM_PROCID", "0"},
                  {"SLURM_LOCALID", "0"}}),
            (LaunchEnvironment{1, 0, ""}));
}

TEST(LaunchEnvironment, ReadsAStepOfSrun) {
  EXPECT_EQ(read({{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "3"}}),
            (LaunchEnvironment{4, 3, "srun"}));
}

TEST(LaunchEnvironment, CountsTheStepAndNotTheAllocation) {
  EXPECT_EQ(read({{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}),
            (LaunchEnvironment{1, 0, "srun"}));
}

TEST(LaunchEnvironment, ReadsMpirunAlsoInsideAStep) {
  EXPECT_EQ(read({{"SLURM_STEP_NUM_TASKS", "1"},
                  {"SLURM_PROCID", "0"},
                  {"OMPI_COMM_WORLD_SIZE", "7"},
                  {"OMPI_COMM_WORLD_RANK", "6"}}),
            (LaunchEnvironment{7, 6, "mpirun"}));
}

TEST(LaunchEnvironment, ReadsPmi) {
  EXPECT_EQ(read({{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}}), (LaunchEnvironment{2, 1, "mpiexec"}));
}

TEST(LaunchEnvironment, NamesAVariableThatIsNoNumber) {
  EXPECT_THAT(
      [] {
        read({{"OMPI_COMM_WORLD_SIZE", "many"}, {"OMPI_COMM_WORLD_RANK", "0"}});
      },
      ThrowsMessage<InputError>(HasSubstr("OMPI_COMM_WORLD_SIZE is 'many'")));
  EXPECT_THROW(read({{"PMI_SIZE", "-1"}, {"PMI_RANK", "0"}}), InputError);
  EXPECT_THROW(read({{"PMI_SIZE", "2 "}, {"PMI_RANK", "0"}}), InputError);
}

TEST(LaunchEnvironment, RefusesARankOutsideTheRanks) {
  EXPECT_THAT(
      [] {
        read({{"PMI_SIZE", "2"}, {"PMI_RANK", "2"}});
      },
      ThrowsMessage<InputError>(HasSubstr("PMI_RANK=2 and PMI_SIZE=2")));
  EXPECT_THROW(read({{"PMI_SIZE", "0"}, {"PMI_RANK", "0"}}), InputError);
}

}  // namespace
}  // namespace tessera::cluster
