#include "jobs/disk_needs.hpp"

#include <filesystem>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "core/error.hpp"
#include "jobs/stages/prepare.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

const fs::path kFull = "/proc/nothing/can/be/made";  // a file system that never has a byte free

PreparedRun opened(const QuantizeJob& job) {
  Threads threads(1);
  SilentLog log;
  cluster::SelfCommunicator alone;
  StopFlag stop;
  RunContext run{threads, log, alone, stop};
  return open_on_this_rank(run, job);
}

class DiskNeeds : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

TEST_F(DiskNeeds, OneFileSystemHoldsBoth) {
  const auto bytes = bytes_of_run(opened(job_));
  const auto needs = disk_needs(opened(job_));
  ASSERT_EQ(needs.size(), 1u);
  EXPECT_EQ(needs[0].needed, bytes.work + bytes.output);
  EXPECT_TRUE(needs[0].fits());
  EXPECT_NO_THROW(require_disk(opened(job_)));
}

TEST_F(DiskNeeds, WhatIsThereFromBeforeIsTakenOff) {
  const auto bytes = bytes_of_run(opened(job_));
  test::run_job(job_);
  std::uint64_t there = 0;
  for (const auto& [name, content] : test::contents_of(job_.runtime.work_dir))
    there += content.size();
  ASSERT_GT(there, bytes.work / 2);
  const std::uint64_t left = bytes.work - std::min(bytes.work, there);
  EXPECT_EQ(disk_needs(opened(job_)).front().needed, left + bytes.output)
      << "the new output is made beside the old one";
  fs::rename(job_.output.dir, job_.output.dir.string() + ".partial");
  EXPECT_EQ(disk_needs(opened(job_)).front().needed, left) << "an interrupted run's output";
}

TEST_F(DiskNeeds, AFullDiskIsNamedWithWhatIsMissing) {
  PreparedRun prepared = opened(job_);
  prepared.job.output.dir = kFull;
  const auto needs = disk_needs(prepared);
  ASSERT_EQ(needs.size(), 2u);
  EXPECT_TRUE(needs[0].fits());
  EXPECT_EQ(needs[1].needed, bytes_of_run(prepared).output);
  EXPECT_THAT([&] { require_disk(prepared); },
              ThrowsMessage<MachineError>(AllOf(HasSubstr("the output takes"),
                                                HasSubstr("0 B are free in /proc"),
                                                HasSubstr("Make room"))));
  prepared.job.runtime.work_dir = kFull;
  EXPECT_THAT(
      [&] { require_disk(prepared); },
      ThrowsMessage<MachineError>(HasSubstr("what is still to be written, and the output,")));
}

TEST_F(DiskNeeds, ARunIsRefusedBeforeItsFirstStage) {
  const std::uint64_t most = bytes_of_run(opened(job_)).work;
  job_.runtime.scratch = most - 1;
  for (const std::size_t ranks : {1, 2}) {
    EXPECT_THAT([&] { test::run_job_on_ranks(job_, ExistingRun::resume, ranks, 1); },
                ThrowsMessage<InputError>(AllOf(HasSubstr("runtime.scratch is"), HasSubstr("takes"),
                                                HasSubstr(job_.runtime.work_dir.string()))));
  }
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir / "calibration"));
  job_.runtime.scratch = most;
  EXPECT_NO_THROW(test::run_job(job_, ExistingRun::resume));
  std::uint64_t there = 0;
  for (const auto& [name, content] : test::contents_of(job_.runtime.work_dir))
    there += content.size();
  EXPECT_LE(static_cast<double>(there), 1.05 * static_cast<double>(most)) << "as near as a plan is";
}

TEST(DiskNeed, TextHasValuesAndPlace) {
  const DiskNeed need{"the output", "/data", 3'000'000'000, 2'000'000'000};
  EXPECT_EQ(
      need.to_text(),
      "the output takes 3.0 GB, 2.0 GB are free in /data. Make room, or name another folder.");
  EXPECT_EQ((DiskNeed{"the output", "/data", 5, 5}).to_text(),
            "the output takes 5 B, 5 B are free in /data");
}

}  // namespace
}  // namespace tessera::jobs
