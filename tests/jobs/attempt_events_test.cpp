#include "jobs/attempt_events.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/jsonl_log.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

std::string at(int second, const std::string& rest) {
  return fmt::format(R"({{"time":"2026-01-31T12:00:{:02}.500Z",{}}})", second, rest);
}
std::string progress(int second, const std::string& stage, int done, double cost,
                     const std::string& detail = "") {
  return at(second, fmt::format(R"("type":"progress","stage":"{}","unit":"layers","done":{},)"
                                R"("total":10,"done_cost":{},"detail":"{}")",
                                stage, done, cost, detail));
}
const std::string kStart = at(0, R"("type":"start")");

AttemptEvents read(const std::vector<std::string>& lines) {
  AttemptReader reader;
  for (const std::string& line : lines) reader.take(line);
  return reader.events();
}

TEST(AttemptEvents, NoFileAnEmptyOneAndRubbishAreNoAttempt) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(read_attempt(folder / "none").num_attempts, 0u);
  write_file_atomically(folder / "empty", "");
  EXPECT_EQ(read_attempt(folder / "empty").num_attempts, 0u);
  const auto events = read({"", "no JSON", "{\"time\":", R"({"time":7})", "[]",
                            at(1, R"("type":"progress","stage":7)"), at(1, R"("type":"news")")});
  EXPECT_EQ(events.num_attempts, 0u);
  EXPECT_FALSE(events.stage);
}

TEST(AttemptEvents, ALastLineWithoutItsEndIsLeftOut) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "log", kStart + "\n" + progress(1, "solve", 1, 0.1, "x"));
  EXPECT_EQ(read_attempt(folder / "log").num_attempts, 1u);
  EXPECT_FALSE(read_attempt(folder / "log").stage);
}

TEST(AttemptEvents, AStartBehindATornLineCounts) {
  const std::string torn = progress(1, "solve", 1, 0.1).substr(0, 60);
  const auto events = read({kStart, progress(1, "solve", 5, 0.5, "x"), torn + kStart});
  EXPECT_EQ(events.num_attempts, 2u);
  EXPECT_EQ(events.num_solved, 0u);
  EXPECT_FALSE(events.stage);
}

TEST(AttemptEvents, RateAndTimeLeftCountFromTheStagesFirstEvent) {
  const auto events =
      read({kStart, progress(1, "calibrate", 9, 0.9), progress(2, "solve", 2, 0.5),
            progress(6, "solve", 4, 0.6, "q_proj"), progress(12, "solve", 6, 0.75, "up_proj")});
  ASSERT_TRUE(events.stage);
  EXPECT_EQ(events.stage->last.stage, "solve");
  EXPECT_DOUBLE_EQ(events.stage->seconds(), 10);
  EXPECT_DOUBLE_EQ(events.stage->rate().value(), 0.4);
  EXPECT_DOUBLE_EQ(events.stage->remaining().value(), 10);  // half of the 0.5 that was left
  EXPECT_EQ(events.num_solved, 2u);                         // the first event solves nothing
}

TEST(AttemptEvents, OneEventGivesNeitherRateNorTimeLeft) {
  const auto events = read({kStart, progress(2, "solve", 2, 0.5)});
  ASSERT_TRUE(events.stage);
  EXPECT_FALSE(events.stage->rate());
  EXPECT_FALSE(events.stage->remaining());
}

TEST(AttemptEvents, AnotherAttemptForgetsTheFirstOnesEvents) {
  const std::string warning = at(3, R"("type":"warning","text":"few tokens")");
  const std::string error = at(4, R"("type":"error","text":"disk full")");
  const std::string end = at(4, R"("type":"end","exit_code":1)");
  const auto first = read({kStart, progress(2, "solve", 2, 0.5, "x"), warning, error, end});
  EXPECT_EQ(first.warnings, std::vector<std::string>{"few tokens"});
  EXPECT_EQ(first.error, "disk full");
  EXPECT_EQ(first.exit_code, 1);
  const auto second = read({kStart, warning, error, end, kStart});
  EXPECT_EQ(second.num_attempts, 2u);
  EXPECT_TRUE(second.warnings.empty());
  EXPECT_EQ(second.error, "");
  EXPECT_FALSE(second.exit_code);
}

TEST(AttemptEvents, AnAttemptThatWasRefusedBesideARunningOneEndsNothing) {
  const auto events = read({kStart, progress(2, "solve", 2, 0.5), kStart,
                            at(3, R"("type":"error","text":"is in use")"),
                            at(3, R"("type":"end","exit_code":2)"), progress(5, "solve", 3, 0.6)});
  EXPECT_EQ(events.error, "");
  EXPECT_FALSE(events.exit_code);
}

TEST(AttemptEvents, ReadsWhatTheRunsLogWrites) {
  const test::TemporaryFolder folder;
  {
    JsonlLog log(folder / "log", folder.path());
    log.progress({"solve", "layers", 3, 210, 0.25, "mlp.up_proj"});
    log.warning("careful");
    log.error("two\nlines");
    log.end(75);
  }
  const auto events = read_attempt(folder / "log");
  EXPECT_EQ(events.num_attempts, 1u);
  ASSERT_TRUE(events.stage);
  EXPECT_EQ(events.stage->last.done, 3u);
  EXPECT_EQ(events.stage->last.total, 210u);
  EXPECT_EQ(events.warnings.size(), 1u);
  EXPECT_EQ(events.error, "two\nlines");
  EXPECT_EQ(events.exit_code, 75);
}

TEST(AttemptEvents, TimesAreThoseOfUniversalTime) {
  EXPECT_DOUBLE_EQ(seconds_of_time("1970-01-02T00:00:01.250Z"), 86401.25);
  EXPECT_DOUBLE_EQ(seconds_of_time("2026-01-31T12:00:00.000Z"), 1769860800);
  EXPECT_THROW(seconds_of_time("yesterday"), InputError);
  EXPECT_THROW(seconds_of_time("2026-01-31T12:00:00.000"), InputError);
}

}  // namespace
}  // namespace tessera::jobs
