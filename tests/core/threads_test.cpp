#include "core/threads.hpp"

#include <atomic>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Threads, CallEveryTaskOnce) {
  for (const std::size_t count : {1u, 2u, 3u, 7u}) {
    Threads threads(count);
    EXPECT_EQ(threads.count(), count);
    for (const std::size_t num_tasks : {0u, 1u, 2u, 5u, 1000u}) {  // the same team, again and again
      std::vector<std::atomic<int>> calls(num_tasks);
      threads.for_each(num_tasks, [&](std::size_t i) { ++calls[i]; });
      for (const auto& called : calls) EXPECT_EQ(called, 1);
    }
  }
}

TEST(Threads, WritesOfTasksAreSeenAfterwards) {
  Threads threads(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int> values(17, 0);
    threads.for_each(values.size(), [&](std::size_t i) { values[i] = static_cast<int>(i); });
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0), 16 * 17 / 2);
  }
}

TEST(Threads, WhatThePollThrowsEndsTheLoopAndTheTeamGoesOn) {
  for (const std::size_t count : {1u, 3u}) {
    Threads threads(count);
    bool is_to_stop = false;
    std::atomic<int> calls{0};
    threads.poll_with([&] {
      if (is_to_stop) throw InputError("enough");
    });
    threads.for_each(5, [&](std::size_t) { ++calls; });
    EXPECT_EQ(calls, 5);
    is_to_stop = true;
    EXPECT_THAT([&] { threads.for_each(1'000'000, [&](std::size_t) { ++calls; }); },
                ThrowsMessage<InputError>(HasSubstr("enough")));
    EXPECT_LT(calls, 1'000'000);
    is_to_stop = false;
    threads.for_each(2, [](std::size_t) {});
  }
}

TEST(Threads, AnExceptionArrivesHereAndTheTeamGoesOn) {
  Threads threads(3);
  const auto fails = [&] {
    threads.for_each(100, [](std::size_t i) {
      if (i == 13) throw InputError("task 13");
    });
  };
  for (int round = 0; round < 20; ++round) {
    EXPECT_THAT(fails, ThrowsMessage<InputError>(HasSubstr("task 13")));
    std::atomic<int> calls = 0;
    threads.for_each(10, [&](std::size_t) { ++calls; });
    EXPECT_EQ(calls, 10);
  }
}

TEST(Threads, ATaskMayNotStartTasks) {
  Threads threads(1);
  EXPECT_THROW(threads.for_each(1, [&](std::size_t) { threads.for_each(1, [](std::size_t) {}); }),
               Bug);
  int calls = 0;
  threads.for_each(1, [&](std::size_t) { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(Threads, ZeroMeansTheCoresAtHand) {
  EXPECT_GE(Threads::cores_available(), 1u);
  EXPECT_EQ(Threads(0).count(), Threads::cores_available());
}

TEST(Tiles, CoverEverythingOnceWithAShortLastOne) {
  EXPECT_EQ(num_tiles(0, 8), 0u);
  EXPECT_EQ(num_tiles(1, 8), 1u);
  EXPECT_EQ(num_tiles(8, 8), 1u);
  EXPECT_EQ(num_tiles(9, 8), 2u);
  for (const std::size_t size : {1u, 7u, 8u, 9u, 100u}) {
    std::size_t next = 0;
    for (std::size_t t = 0; t < num_tiles(size, 8); ++t) {
      const Tile tile = tile_at(t, 8, size);
      EXPECT_EQ(tile.begin, next);
      EXPECT_GT(tile.size(), 0u);
      next = tile.end;
    }
    EXPECT_EQ(next, size);
  }
}

}  // namespace
}  // namespace tessera
