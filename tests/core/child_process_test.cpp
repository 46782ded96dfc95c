#include "core/child_process.hpp"

#include <chrono>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.hpp"

namespace tessera {
namespace {

using testing::ElementsAre;

const StopFlag kGoOn;

TEST(ChildProcess, HandsOnEveryLineAndTheExitCode) {
  std::vector<std::string> heard;
  const auto result = run_child({"sh", "-c", "echo out; echo err >&2; printf last; exit 3"}, kGoOn,
                                [&](const std::string& line) { heard.push_back(line); });
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(heard, ElementsAre("out", "err", "last"));
  EXPECT_EQ(result.said, heard);
}

TEST(ChildProcess, KeepsTheLastLinesOfATalker) {
  const auto result = run_child({"sh", "-c", "seq 1000"}, kGoOn, [](const std::string&) {});
  ASSERT_EQ(result.said.size(), 20u);
  EXPECT_EQ(result.said.back(), "1000");
}

TEST(ChildProcess, PassesArgumentsAsTheyAre) {
  const auto result =
      run_child({"printf", "%s\n", "a b", "$HOME", ""}, kGoOn, [](const std::string&) {});
  EXPECT_THAT(result.said, ElementsAre("a b", "$HOME", ""));
}

TEST(ChildProcess, GivesItNothingToRead) {
  EXPECT_EQ(run_child({"cat"}, kGoOn, [](const std::string&) {}).exit_code, 0);
}

TEST(ChildProcess, TellsOfASignal) {
  EXPECT_EQ(run_child({"sh", "-c", "kill -9 $$"}, kGoOn, [](const std::string&) {}).exit_code, 137);
}

TEST(ChildProcess, EndsItWhenTheRunIsToStop) {
  StopFlag stop;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(run_child({"sh", "-c", "echo started; exec sleep 60"}, stop,
                         [&](const std::string&) { stop.request("enough"); }),
               Interrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(ChildProcess, MayHaveASessionOfItsOwn) {
  for (const bool own : {false, true}) {
    const pid_t child =
        start_child({"sleep", "60"}, {.in = {}, .out = {}, .err = {}, .own_session = own});
    EXPECT_EQ(getsid(child), own ? child : getsid(0));
    kill(child, SIGKILL);
    EXPECT_EQ(wait_for_child(child), 128 + SIGKILL);
  }
}

TEST(ChildProcess, SaysWhatCannotBeStarted) {
  EXPECT_THAT([] { run_child({"/nowhere/tokenize"}, kGoOn, [](const std::string&) {}); },
              testing::ThrowsMessage<MachineError>(testing::HasSubstr("/nowhere/tokenize")));
}

}  // namespace
}  // namespace tessera
