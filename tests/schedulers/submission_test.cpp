#include "schedulers/launch/submission.hpp"

#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/schedulers/fake_commands.hpp"

namespace tessera::schedulers {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ShellWord, IsReadBackAsItIs) {
  EXPECT_EQ(shell_word("a/b.yaml"), "a/b.yaml");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("two words"), "'two words'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
}

TEST(MakeLauncher, KnowsTwo) {
  EXPECT_EQ(make_launcher("slurm", "w")->name(), "slurm");
  EXPECT_EQ(make_launcher("local", "w")->name(), "local");
  EXPECT_THAT([] { make_launcher("pbs", "w"); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("pbs"), HasSubstr("slurm and local"))));
}

/// Says of each job what the test says.
struct KnownStates : Launcher {
  std::map<std::string, JobStatus> states;
  std::string name() const override { return "known"; }
  std::string render(const LaunchRequest&) const override { return ""; }
  std::string submit(const LaunchRequest&) override { return ""; }
  JobStatus status(const std::string& id) const override { return states.at(id); }
  void cancel(const std::string&) override {}
};

TEST(StatusOf, TellsOfTheAttemptThatCounts) {
  const JobStatus gone{JobState::unknown, "", ""}, running{JobState::running, "RUNNING", ""},
      waiting{JobState::queued, "PENDING", ""}, done{JobState::completed, "COMPLETED", ""},
      timed_out{JobState::timed_out, "TIMEOUT", ""},
      taken_back{JobState::cancelled, "CANCELLED", ""};
  const auto told = [](std::vector<JobStatus> states) {
    KnownStates launcher;
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < states.size(); ++i) {
      ids.push_back(std::to_string(i));
      launcher.states[ids.back()] = states[i];
    }
    return status_of(launcher, ids).id;
  };
  EXPECT_EQ(told({gone}), "0");
  EXPECT_EQ(told({running, waiting}), "0");
  EXPECT_EQ(told({timed_out, waiting}), "1");
  EXPECT_EQ(told({timed_out, running, waiting}), "1");
  EXPECT_EQ(told({timed_out, done, taken_back}), "1");
  EXPECT_EQ(told({gone, done}), "1");
  EXPECT_EQ(told({taken_back, taken_back}), "0");
}

struct SubmissionTest : testing::Test {
  test::FakeCommands commands;
  test::TemporaryFolder folder;
  std::filesystem::path work = folder.path() / "work";

  Submission submit() {
    LaunchRequest request;
    request.name = "tiny";
    request.program = "/opt/tessera";
    return submit_once(*make_launcher("slurm", work), request, work);
  }
};

TEST_F(SubmissionTest, IsRemembered) {
  commands.make("sbatch", "echo 12");
  EXPECT_FALSE(last_submission(work));
  const Submission submission = submit();
  EXPECT_EQ(submission.id, "12");
  EXPECT_EQ(last_submission(work), submission);
  EXPECT_THAT(all_ids(work, submission), ElementsAre("12"));
  std::ofstream(successors_of(work)) << "13\n14\n";
  EXPECT_THAT(all_ids(work, submission), ElementsAre("12", "13", "14"));
}

TEST_F(SubmissionTest, ASecondIsRefusedWhileTheFirstMayLive) {
  commands.make("sbatch", "echo 12");
  submit();
  for (const auto& [word, said] : std::map<std::string, std::string>{
           {"PENDING", "queued"}, {"RUNNING", "running"}, {"DREAMING", "DREAMING"}}) {
    commands.make("squeue", "echo 'tessera|" + word + "|'");
    EXPECT_THAT([&] { submit(); }, ThrowsMessage<InputError>(AllOf(
                                       HasSubstr(work.string()), HasSubstr("slurm job 12 (tiny"),
                                       HasSubstr("is " + said), HasSubstr("--cancel"))));
  }
  std::ofstream(successors_of(work)) << "13\n";
  commands.make("squeue",
                "case $* in *=13*) echo 'tessera|PENDING|' ;; *) echo 'tessera|TIMEOUT|' ;; esac");
  EXPECT_THAT([&] { submit(); }, ThrowsMessage<InputError>(HasSubstr("job 13")));
}

TEST_F(SubmissionTest, AnotherFollowsWhenTheFirstIsOver) {
  commands.make("sbatch", "echo 12");
  submit();
  std::ofstream(successors_of(work)) << "13\n";
  commands.make("squeue", "echo 'tessera|FAILED|'");
  commands.make("sbatch", "echo 20");
  EXPECT_EQ(submit().id, "20");
  EXPECT_THAT(all_ids(work, *last_submission(work)), ElementsAre("20"));  // 13 was of the first
  commands.make("squeue", "exit 0");                                      // forgotten
  EXPECT_EQ(submit().id, "20");
}

TEST_F(SubmissionTest, WhatIsRefusedIsNotRemembered) {
  commands.make("sbatch", "exit 1");
  EXPECT_THROW(submit(), MachineError);
  EXPECT_FALSE(last_submission(work));
}

TEST_F(SubmissionTest, ADamagedRecordIsNamed) {
  std::filesystem::create_directories(work);
  std::ofstream(work / "submitted.json") << "{\"launcher\": 3";
  EXPECT_THAT([&] { last_submission(work); },
              ThrowsMessage<InputError>(HasSubstr("submitted.json")));
}

}  // namespace
}  // namespace tessera::schedulers
