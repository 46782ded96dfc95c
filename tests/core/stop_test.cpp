#include "core/stop.hpp"

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(StopFlag, IsUnsetAtFirst) {
  const StopFlag stop;
  EXPECT_FALSE(stop.is_set());
  EXPECT_NO_THROW(stop.check());
}

TEST(StopFlag, ASignalNamesItself) {
  StopFlag stop;
  stop.request_by_signal(SIGUSR1);
  EXPECT_THAT([&] { stop.check(); }, ThrowsMessage<Interrupted>(HasSubstr("SIGUSR1 arrived")));
  EXPECT_EQ(stop.exit_code(), 75);
}

TEST(StopFlag, TheFirstReasonCountsWithItsExitCode) {
  StopFlag stop;
  stop.request("rank 3 failed: disk full", 1);
  stop.request("SIGTERM arrived");
  EXPECT_EQ(stop.why(), "rank 3 failed: disk full");
  try {
    stop.check();
    FAIL();
  } catch (const Interrupted& error) {
    EXPECT_EQ(error.exit_code(), 1);
    EXPECT_THAT(error.what(), HasSubstr("--resume"));
  }
}

}  // namespace
}  // namespace tessera
