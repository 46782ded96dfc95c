// Calibration shards computed apart and joined: the bytes of one run over all of them.
#include "jobs/merge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/partial_calibration.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Merge : public testing::Test {
 protected:
  /// Calibrates some shards into a folder of their own.
  fs::path calibrate(const std::string& name, std::vector<int> shards) {
    auto job = job_;
    job.calibration.only_shards = std::move(shards);
    job.runtime.work_dir = folder_ / name;
    Threads threads(2);
    cluster::SelfCommunicator alone;
    StopFlag stop;
    jobs::RunContext context{threads, log_, alone, stop};
    jobs::run_partial_calibration(job, ExistingRun::resume, context);
    return job.runtime.work_dir;
  }
  static std::map<std::string, std::string> statistics_of(const fs::path& work) {
    auto files = contents_of(work / "calibration");
    std::erase_if(files, [](const auto& file) {
      return file.first.find("statistics-") == std::string::npos;
    });
    return files;
  }
  void expect_refused(const std::vector<fs::path>& parts, const std::string& words) {
    EXPECT_THAT([&] { jobs::merge_calibrations(parts, folder_ / "whole", log_); },
                ThrowsMessage<InputError>(HasSubstr(words)));
    EXPECT_FALSE(fs::exists(folder_ / "whole"));
  }
  test::TemporaryFolder folder_;
  SilentLog log_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());  // 7 samples in 3 shards
};

TEST_F(Merge, GivesTheBytesOfOneRunWhateverTheOrderOfTheParts) {
  test::run_job(job_);
  const auto expected = contents_of(job_.output.dir);
  const auto statistics = statistics_of(job_.runtime.work_dir);
  ASSERT_FALSE(statistics.empty());

  const auto last = calibrate("b", {2, 0}), middle = calibrate("a", {1});
  const auto result = jobs::merge_calibrations({last, middle}, folder_ / "whole", log_);
  EXPECT_EQ(result.num_shards, 3u);
  EXPECT_EQ(result.num_blocks, 3u);
  EXPECT_TRUE(statistics_of(folder_ / "whole") == statistics);

  fs::remove_all(job_.output.dir);
  job_.runtime.work_dir = folder_ / "whole";
  test::run_job(job_, ExistingRun::resume);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

TEST_F(Merge, Trap04RefusesAShardThatIsThereTwice) {
  const auto a = calibrate("a", {0, 1}), b = calibrate("b", {1, 2});
  expect_refused({a, b}, "calibration shard 1 is in");
}

TEST_F(Merge, Trap06RefusesToLeaveSamplesOut) {
  expect_refused({calibrate("a", {0})}, "lacks calibration shards 1, 2 of 3");
}

TEST_F(Merge, RefusesPartsOfAnotherJobNamingTheKey) {
  const auto a = calibrate("a", {0, 1});
  job_.quantize.seed = 7;
  expect_refused({a, calibrate("b", {2})}, "quantize.seed is 7 (the run had 0)");
}

TEST_F(Merge, RefusesADamagedPartAndTouchesNothing) {
  const auto a = calibrate("a", {0, 1}), b = calibrate("b", {2});
  const std::string file =
      "calibration/block-00001/partial-mlp_input-00000-of-00001-shard-00002-of-00003.h5";
  write_file_atomically(b / file, "torn");
  expect_refused({a, b}, "is damaged or gone");
  EXPECT_EQ(read_text_file(b / file), "torn");
}

TEST_F(Merge, RefusesFoldersWithoutRunsOrParts) {
  expect_refused({folder_ / "nowhere"}, "holds no run");
  test::run_job(job_);
  expect_refused({job_.runtime.work_dir}, "no folder holds partial sums");
}

TEST_F(Merge, APartGoesOnWhereItStopped) {
  const auto a = calibrate("a", {0, 1, 2});
  fs::remove(a /
             "calibration/block-00002/partial-mlp_input-00000-of-00001-shard-00001-of-00003.h5");
  calibrate("a", {0, 1, 2});
  EXPECT_EQ(jobs::merge_calibrations({a}, folder_ / "whole", log_).num_shards, 3u);
}

}  // namespace
}  // namespace tessera
