#include "schedulers/launch/slurm_launcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "schedulers/launch/submission.hpp"
#include "tests/schedulers/fake_commands.hpp"

namespace tessera::schedulers {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::ThrowsMessage;

LaunchRequest request() {
  LaunchRequest request;
  request.name = "my_job";
  request.program = "/opt/tessera/bin/tessera";
  request.words = {"run", "my job.yaml", "--resume"};
  request.settings.nodes = 2;
  request.settings.max_attempts = 7;
  return request;
}

struct SlurmLauncherTest : testing::Test {
  test::FakeCommands commands;
  test::TemporaryFolder work;
  SlurmLauncher launcher{work.path()};
};

TEST(SlurmState, IsTheOneThatTheWordMeans) {
  EXPECT_EQ(state_of_slurm("PENDING"), JobState::queued);
  EXPECT_EQ(state_of_slurm("REQUEUED"), JobState::queued);
  EXPECT_EQ(state_of_slurm("COMPLETING"), JobState::running);
  EXPECT_EQ(state_of_slurm("COMPLETED"), JobState::completed);
  EXPECT_EQ(state_of_slurm("TIMEOUT"), JobState::timed_out);
  EXPECT_EQ(state_of_slurm("NODE_FAIL"), JobState::node_failed);
  EXPECT_EQ(state_of_slurm("OUT_OF_MEMORY"), JobState::out_of_memory);
  for (const char* word : {"", "POWERING_DREAMS", "running"})
    EXPECT_EQ(state_of_slurm(word), JobState::unknown) << word;
}

TEST_F(SlurmLauncherTest, RendersWhatTheSectionAsksForAndOneCommand) {
  const std::string script = launcher.render(request());
  EXPECT_THAT(script, StartsWith("#!/usr/bin/env bash\n#SBATCH --job-name=my_job\n"));
  EXPECT_THAT(script, HasSubstr("#SBATCH --nodes=2\n"));
  EXPECT_THAT(script, HasSubstr("#SBATCH --requeue\n"));
  EXPECT_THAT(
      script,
      EndsWith("\nexec /opt/tessera/bin/run_resumable.sh --max-attempts 7 --mpi pmix -- \\\n"
               "  /opt/tessera/bin/tessera run 'my job.yaml' --resume\n"));
  EXPECT_FALSE(std::filesystem::exists(script_of(work.path())));  // a dry run writes nothing
}

TEST_F(SlurmLauncherTest, RendersAChainWhereRequeueingIsForbidden) {
  auto chained = request();
  chained.settings.requeue = false;
  chained.settings.mpi = "pmi2";
  chained.settings.setup = {"module load openmpi", "ulimit -n 4096"};
  const std::string script = launcher.render(chained);
  EXPECT_THAT(script, HasSubstr("#SBATCH --no-requeue\n"));
  EXPECT_THAT(script, HasSubstr("\nmodule load openmpi\nulimit -n 4096\nexec "));
  EXPECT_THAT(script, HasSubstr(" --mpi pmi2 --chain \"$0\" --successors " +
                                successors_of(work.path()).string()));
}

TEST_F(SlurmLauncherTest, SubmitsTheScriptItRenders) {
  commands.make("sbatch", "echo 'sbatch: warning: 2 is a number' >&2; echo '4711;here'");
  EXPECT_EQ(launcher.submit(request()), "4711");
  EXPECT_EQ(commands.calls(), "sbatch --parsable " + script_of(work.path()).string() + "\n");
  EXPECT_EQ(read_text_file(script_of(work.path())), launcher.render(request()));
}

TEST_F(SlurmLauncherTest, SaysWhatSbatchSaysWhenItRefuses) {
  commands.make("sbatch", "echo 'sbatch: error: invalid partition specified: gpuu' >&2; exit 1");
  EXPECT_THAT([&] { launcher.submit(request()); },
              ThrowsMessage<MachineError>(AllOf(HasSubstr("gpuu"), HasSubstr("slurm section"))));
  commands.make("sbatch", "echo done");
  EXPECT_THAT([&] { launcher.submit(request()); },
              ThrowsMessage<MachineError>(HasSubstr("squeue --me")));
}

TEST_F(SlurmLauncherTest, AsksSqueue) {
  commands.make("squeue", "echo 'slurm: some warning' >&2; echo 'tessera|PENDING|(Priority)'");
  EXPECT_EQ(launcher.status("7"), (JobStatus{JobState::queued, "PENDING", "(Priority)"}));
  EXPECT_THAT(commands.calls(), HasSubstr("--jobs=7"));
  EXPECT_THAT(commands.calls(), Not(HasSubstr("sacct")));
}

TEST_F(SlurmLauncherTest, AWordNobodyForesawIsUnknownAndMayBeAlive) {
  commands.make("squeue", "echo 'tessera|POWERING_DREAMS|n[1-2]'");
  const JobStatus status = launcher.status("7");
  EXPECT_EQ(status, (JobStatus{JobState::unknown, "POWERING_DREAMS", "n[1-2]"}));
  EXPECT_TRUE(status.may_be_alive());
}

TEST_F(SlurmLauncherTest, AForgottenJobIsUnknownAndGone) {
  for (const char* body :
       {"", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"}) {
    commands.make("squeue", body);
    EXPECT_EQ(launcher.status("7").state, JobState::unknown) << body;
    EXPECT_FALSE(launcher.status("7").may_be_alive()) << body;
  }
}

TEST_F(SlurmLauncherTest, AControllerThatDoesNotAnswerIsAnError) {
  commands.make("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1");
  EXPECT_THAT(
      [&] { launcher.status("7"); },
      ThrowsMessage<MachineError>(AllOf(HasSubstr("job 7"), HasSubstr("Unable to contact"))));
}

TEST_F(SlurmLauncherTest, CancelsWhatIsThere) {
  commands.make("scancel", "");
  launcher.cancel("7");
  EXPECT_EQ(commands.calls(), "scancel 7\n");
  commands.make("scancel", "echo 'scancel: error: Invalid job id 7' >&2; exit 1");
  launcher.cancel("7");
  commands.make("scancel", "echo 'Access/permission denied' >&2; exit 1");
  EXPECT_THAT([&] { launcher.cancel("7"); }, ThrowsMessage<MachineError>(HasSubstr("permission")));
}

}  // namespace
}  // namespace tessera::schedulers
