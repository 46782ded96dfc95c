#include "cluster/start_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/thread_communicator.hpp"

namespace tessera::cluster {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(StartLimit, AStartInTimeAsksForNothing) {
  StopFlag stop;
  { const StartLimit limit(stop, milliseconds(10'000), "every rank opens the model"); }
  EXPECT_FALSE(stop.is_set());
}

/// The one that comes waits in a collective call, and would for ever.
TEST(StartLimit, ARankThatNeverComesEndsTheWaitOfTheOthers) {
  StopFlag stop;
  std::string why;
  const auto start = [&](Communicator& comm) {
    const StartLimit limit(stop, milliseconds(50), "every rank opens the model");
    if (comm.rank() == 1) {
      while (!stop.is_set()) std::this_thread::sleep_for(milliseconds(1));
      return;
    }
    try {
      comm.barrier();
    } catch (const Interrupted& interrupted) {
      why = interrupted.what();
      EXPECT_EQ(interrupted.exit_code(), 75);
    }
  };
  run_as_threads(2, stop, start);
  EXPECT_THAT(why, HasSubstr("0.05 s have not been enough for this: every rank opens the model"));
}

}  // namespace
}  // namespace tessera::cluster
