#include "cli/stage_clock.hpp"

#include <gtest/gtest.h>

namespace tessera::cli {
namespace {

Progress at(std::size_t done, double cost, const std::string& stage = "solve") {
  return {stage, "layers", done, 10, cost, ""};
}

TEST(StageClock, KnowsNothingAtTheFirstEvent) {
  StageClock clock;
  clock.update(at(0, 0), 5);
  EXPECT_FALSE(clock.rate());
  EXPECT_FALSE(clock.remaining());
  EXPECT_EQ(clock.elapsed(), 0);
}

TEST(StageClock, TheTimeLeftFollowsTheWorkAndNotTheCount) {
  StageClock clock;
  clock.update(at(0, 0), 100);
  clock.update(at(2, 0.5), 110);  // two of ten, but half of the work
  EXPECT_DOUBLE_EQ(clock.rate().value(), 0.2);
  EXPECT_DOUBLE_EQ(clock.remaining().value(), 10);
}

TEST(StageClock, WhatWasDoneBeforeTheFirstEventCountsForNothing) {
  StageClock clock;
  clock.update(at(8, 0.8), 0);  // resumed
  clock.update(at(9, 0.9), 3);
  EXPECT_DOUBLE_EQ(clock.rate().value(), 1.0 / 3);
  EXPECT_NEAR(clock.remaining().value(), 3, 1e-12);
}

TEST(StageClock, ANewStageStartsAfresh) {
  StageClock clock;
  clock.update(at(0, 0), 0);
  clock.update(at(10, 1), 50);
  clock.update(at(0, 0, "assemble"), 60);
  EXPECT_FALSE(clock.rate());
  clock.update(at(1, 0.1, "assemble"), 61);
  EXPECT_DOUBLE_EQ(clock.rate().value(), 1);
}

TEST(StageClock, TheSameStageOnceMoreStartsAfreshToo) {
  StageClock clock;
  clock.update(at(0, 0), 0);
  clock.update(at(10, 1), 50);
  clock.update(at(1, 0.1), 60);  // evaluating the second model
  EXPECT_EQ(clock.elapsed(), 0);
}

}  // namespace
}  // namespace tessera::cli
