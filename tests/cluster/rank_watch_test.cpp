#include "cluster/rank_watch.hpp"

#include <atomic>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace tessera::cluster {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr WatchTimes kFast{milliseconds(10), milliseconds(300)};

bool becomes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 500 && !condition(); ++i) std::this_thread::sleep_for(milliseconds(10));
  return condition();
}
void ignore(const RankSign&) {}

TEST(RankWatch, GivesSignsOfLife) {
  const test::TemporaryFolder folder;
  StopFlag stop;
  const RankWatch watch(folder.path(), 0, 1, stop, kFast, ignore);
  EXPECT_TRUE(becomes_true([&] {
    const auto sign = read_rank_sign(folder.path(), 0);
    return sign && sign->beats > 3 && sign->process_id == ::getpid();
  }));
  EXPECT_FALSE(stop.is_set());
}

TEST(RankWatch, OneRanksWishToStopReachesTheOthersWithItsReason) {
  const test::TemporaryFolder folder;
  StopFlag first, second;
  const RankWatch watch_first(folder.path(), 0, 2, first, kFast, ignore);
  const RankWatch watch_second(folder.path(), 1, 2, second, kFast, ignore);
  second.request_by_signal(10);
  ASSERT_TRUE(becomes_true([&] { return first.is_set(); }));
  EXPECT_THAT(first.why(), HasSubstr("SIGUSR1 arrived"));
  EXPECT_EQ(first.exit_code(), 75);
}

TEST(RankWatch, AFailureCarriesItsExitCode) {
  const test::TemporaryFolder folder;
  StopFlag first, second;
  const RankWatch watch_first(folder.path(), 0, 2, first, kFast, ignore);
  RankWatch watch_second(folder.path(), 1, 2, second, kFast, ignore);
  watch_second.tell("rank 1 failed: disk full", 1);
  ASSERT_TRUE(becomes_true([&] { return first.is_set(); }));
  EXPECT_EQ(first.why(), "rank 1 failed: disk full");
  EXPECT_EQ(first.exit_code(), 1);
}

TEST(RankWatch, NamesARankThatGivesNoSign) {
  const test::TemporaryFolder folder;
  std::ofstream(folder.path() / "rank-00001") << "node07 4711 12\n";
  StopFlag stop;
  std::atomic<std::size_t> named{0};
  const RankWatch watch(folder.path(), 0, 2, stop, kFast,
                        [&](const RankSign& sign) { named = sign.rank; });
  ASSERT_TRUE(becomes_true([&] { return stop.is_set(); }));
  EXPECT_EQ(named, 1u);
  EXPECT_THAT(stop.why(), HasSubstr("rank 1 on node07 (process 4711)"));
  EXPECT_EQ(stop.exit_code(), 75);
}

TEST(RankWatch, LeavesWhenAllHaveComeOrTheTimeIsUp) {
  const test::TemporaryFolder folder;
  StopFlag first, second;
  RankWatch watch_first(folder.path(), 0, 2, first, kFast, ignore);
  EXPECT_FALSE(watch_first.leave_together(0.05));
  RankWatch watch_second(folder.path(), 1, 2, second, kFast, ignore);
  EXPECT_TRUE(watch_second.leave_together(5));
  EXPECT_TRUE(watch_first.leave_together(5));
}

TEST(RankWatch, NamesARankThatNeverCame) {
  const test::TemporaryFolder folder;
  StopFlag stop;
  const RankWatch watch(folder.path(), 2, 3, stop, kFast, ignore);
  ASSERT_TRUE(becomes_true([&] { return stop.is_set(); }));
  EXPECT_THAT(stop.why(), HasSubstr("rank 0"));
}

}  // namespace
}  // namespace tessera::cluster
