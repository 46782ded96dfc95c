#include "schedulers/launch/local_launcher.hpp"

#include <chrono>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "tests/schedulers/fake_commands.hpp"

namespace tessera::schedulers {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

LaunchRequest run(const std::string& shell) {
  LaunchRequest request;
  request.program = "/bin/sh";
  request.words = {"-c", shell};
  return request;
}

struct LocalLauncherTest : testing::Test {
  test::TemporaryFolder work;
  LocalLauncher launcher{work.path()};

  JobStatus status_after_running(const std::string& id) {
    for (int i = 0; i < 1000 && launcher.status(id).state == JobState::running; ++i) pause();
    return launcher.status(id);
  }
  static void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }
  std::string text(const char* name) { return read_text_file(work.path() / name); }
  /// The process file with another value for a key.
  void change(const char* key, const JsonValue& value) {
    auto record = JsonValue::parse(text("local.pid"), "local.pid");
    write_file_atomically(work.path() / "local.pid", record.set(key, value).to_text());
  }
};

TEST_F(LocalLauncherTest, ToldByHowItEnds) {
  EXPECT_EQ(status_after_running(launcher.submit(run("exit 0"))).state, JobState::completed);
  EXPECT_EQ(status_after_running(launcher.submit(run("exit 3"))).word, "exit code 3");
  EXPECT_EQ(status_after_running(launcher.submit(run("exit 3"))).state, JobState::completed);
  EXPECT_EQ(status_after_running(launcher.submit(run("exit 4"))).state, JobState::failed);
  EXPECT_EQ(status_after_running(launcher.submit(run("exit 75"))).state, JobState::cancelled);
}

TEST_F(LocalLauncherTest, WhatItSaysIsKept) {
  status_after_running(launcher.submit(run("echo to stdout; echo to stderr >&2")));
  status_after_running(launcher.submit(run("echo later")));
  EXPECT_EQ(text("local.log"), "to stdout\nto stderr\nlater\n");
}

TEST_F(LocalLauncherTest, RunsUntilItIsAskedToStop) {
  const auto id =
      launcher.submit(run("trap 'exit 75' USR1; echo ready; while :; do sleep 0.05; done"));
  for (int i = 0; i < 1000 && text("local.log").empty(); ++i) pause();
  EXPECT_EQ(launcher.status(id).state, JobState::running);
  EXPECT_TRUE(launcher.status(id).may_be_alive());
  launcher.cancel(id);
  EXPECT_EQ(status_after_running(id).state, JobState::cancelled);
  launcher.cancel(id);  // again: nothing is there
}

TEST_F(LocalLauncherTest, OneThatDiesOfTheSignalIsCancelledToo) {
  const auto id = launcher.submit(run("exec sleep 60"));
  launcher.cancel(id);
  EXPECT_EQ(status_after_running(id).word, "exit code 138");
  EXPECT_EQ(launcher.status(id).state, JobState::cancelled);
}

TEST_F(LocalLauncherTest, AnotherProcessWithTheSameNumberIsNotTouched) {
  const auto id = launcher.submit(run("exec sleep 60"));
  const auto record = JsonValue::parse(text("local.pid"), "local.pid");
  change("start", record.at("start").integer() - 1);
  EXPECT_EQ(launcher.status(id).state, JobState::failed);
  EXPECT_EQ(launcher.status(id).word, "gone");
  launcher.cancel(id);
  change("start", record.at("start"));
  change("boot", "another");
  EXPECT_EQ(launcher.status(id).state, JobState::failed);
  launcher.cancel(id);
  change("boot", record.at("boot"));
  EXPECT_EQ(launcher.status(id).state, JobState::running) << "nobody touched it";
  launcher.cancel(id);
  EXPECT_EQ(status_after_running(id).state, JobState::cancelled);
}

TEST_F(LocalLauncherTest, AnotherMachineIsNotGuessedAt) {
  const auto id = launcher.submit(run("exit 0"));
  status_after_running(id);
  change("host", "elsewhere");
  EXPECT_EQ(launcher.status(id).word, "on elsewhere");
  EXPECT_TRUE(launcher.status(id).may_be_alive());
  EXPECT_THAT([&] { launcher.cancel(id); }, ThrowsMessage<MachineError>(HasSubstr("elsewhere")));
}

TEST_F(LocalLauncherTest, AnotherNumberIsUnknown) {
  EXPECT_FALSE(launcher.status("1").may_be_alive());
  launcher.cancel("1");  // never to be signalled
  launcher.submit(run("exit 0"));
  EXPECT_FALSE(launcher.status("1").may_be_alive());
}

TEST_F(LocalLauncherTest, SeveralRanksAreStartedByMpirun) {
  const test::FakeCommands commands;
  commands.make("mpirun", "");
  auto request = run("exit 0");
  request.settings.nodes = 4;
  request.settings.ntasks_per_node = 2;
  EXPECT_EQ(status_after_running(launcher.submit(request)).state, JobState::completed);
  EXPECT_EQ(commands.calls(), "mpirun -n 2 /bin/sh -c exit 0\n");
  EXPECT_THAT(launcher.render(request), HasSubstr("exec mpirun -n 2 /bin/sh -c 'exit 0'\n"));
}

}  // namespace
}  // namespace tessera::schedulers
