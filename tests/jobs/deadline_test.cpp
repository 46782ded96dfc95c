#include "jobs/deadline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Clock = Deadline::Clock;

cluster::Lookup slurm_says(std::string end) {
  return [end = std::move(end)](const std::string& name) -> std::optional<std::string> {
    if (name == "SLURM_JOB_END_TIME" && !end.empty()) return end;
    return std::nullopt;
  };
}
std::string in_seconds(long seconds) {
  return std::to_string(Clock::to_time_t(Clock::now()) + seconds);
}

TEST(Deadline, WithoutOneThereIsAlwaysRoom) {
  EXPECT_TRUE(Deadline().has_room_for(1e9));
  EXPECT_TRUE(Deadline::find(0, slurm_says("")).has_room_for(1e9));
}

TEST(Deadline, LeavesAFifthToSpare) {
  const Deadline deadline(Clock::now() + std::chrono::seconds(120));
  EXPECT_TRUE(deadline.has_room_for(90));
  EXPECT_FALSE(deadline.has_room_for(110));
  EXPECT_THAT(deadline.why_not("a block", 110), HasSubstr("a block takes about 110 s"));
}

TEST(Deadline, TheEarlierOfWalltimeAndSlurmCounts) {
  EXPECT_FALSE(Deadline::find(10, slurm_says(in_seconds(1000))).has_room_for(100));
  EXPECT_FALSE(Deadline::find(1000, slurm_says(in_seconds(10))).has_room_for(100));
  EXPECT_TRUE(Deadline::find(1000, slurm_says(in_seconds(1000))).has_room_for(100));
}

TEST(Deadline, RefusesWhatIsNoTime) {
  EXPECT_THAT([] { Deadline::find(0, slurm_says("tomorrow")); },
              ThrowsMessage<InputError>(HasSubstr("SLURM_JOB_END_TIME is 'tomorrow'")));
}

}  // namespace
}  // namespace tessera::jobs
