#include <gtest/gtest.h>

#include "cluster/communicator.hpp"
#include "cluster/thread_communicator.hpp"

namespace tessera::cluster {
namespace {

TEST(ThreadsForRank, TakesTheCoresTheLauncherBound) {
  EXPECT_EQ(threads_for_rank(1, 64, 64), 1u);
  EXPECT_EQ(threads_for_rank(8, 64, 4), 8u);
}

TEST(ThreadsForRank, SharesTheNodeWhereNothingIsBound) {
  EXPECT_EQ(threads_for_rank(64, 64, 1), 64u);
  EXPECT_EQ(threads_for_rank(64, 64, 8), 8u);
  EXPECT_EQ(threads_for_rank(2, 2, 4), 1u);  // more ranks than cores
}

TEST(RanksOfThisNode, CountsThreadsOfOneProcess) {
  const StopFlag stop;
  run_as_threads(3, stop, [](Communicator& comm) { EXPECT_EQ(ranks_of_this_node(comm), 3u); });
  EXPECT_FALSE(host_name().empty());
}

}  // namespace
}  // namespace tessera::cluster
