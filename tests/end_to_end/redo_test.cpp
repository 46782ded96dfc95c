// Some layers solved again: the bytes of a job that had these settings from the start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "core/error.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Redo : public testing::Test {
 protected:
  static constexpr const char* kModule = "layers\\.1\\.mlp\\..*";

  void redo(const std::string& module) {
    Threads threads(1);
    SilentLog log;
    cluster::SelfCommunicator alone;
    StopFlag stop;
    jobs::RunContext context{threads, log, alone, stop, {}, module};
    jobs::run_quantize_job(job_, ExistingRun::redo, context);
  }
  void add_override() {
    auto settings = job_.quantize.vptq;
    settings.num_res_centroids = 8;
    job_.quantize.overrides.push_back({kModule, settings});
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

TEST_F(Redo, GivesTheBytesOfAJobThatHadTheSettingsFromTheStart) {
  const auto plain = job_;
  add_override();
  test::run_job(job_);
  const auto expected = contents_of(job_.output.dir);
  fs::remove_all(job_.output.dir);
  fs::remove_all(job_.runtime.work_dir);

  test::run_job_on_ranks(plain, ExistingRun::refuse, 3, 1);
  const auto untouched = fs::last_write_time(folder_ / "work/solved/block-00000/mlp.up_proj.h5");
  redo(kModule);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
  EXPECT_EQ(fs::last_write_time(folder_ / "work/solved/block-00000/mlp.up_proj.h5"), untouched);
  EXPECT_TRUE(test::run_job(job_, ExistingRun::resume).was_finished_before);
}

TEST_F(Redo, WithTheSameSettingsGivesTheSameBytes) {
  test::run_job(job_);
  const auto expected = contents_of(job_.output.dir);
  redo("down_proj");
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

// Other codebooks for all layers, from the calibration at hand; the original is not scored again.
TEST_F(Redo, OfAllLayersKeepsTheCalibrationOnly) {
  test::run_job(job_);
  const auto before = fs::last_write_time(folder_ / "work/evaluation/original.h5");
  job_.quantize.dampening_frac = 0.2;
  job_.quantize.vptq.num_centroids = 8;
  redo(".*");
  const auto redone = contents_of(job_.output.dir);
  EXPECT_EQ(fs::last_write_time(folder_ / "work/evaluation/original.h5"), before);
  EXPECT_TRUE(test::run_job(job_, ExistingRun::resume).was_finished_before);
  fs::remove_all(job_.output.dir);
  fs::remove_all(job_.runtime.work_dir);
  test::run_job(job_);
  EXPECT_TRUE(contents_of(job_.output.dir) == redone);
}

TEST_F(Redo, OfAllLayersRefusesAnotherCalibration) {
  test::run_job(job_);
  job_.residual.bits = 8;
  job_.residual.k_chunk = 128;
  EXPECT_THAT([&] { redo(".*"); }, ThrowsMessage<InputError>(HasSubstr("residual.k_chunk is 128")));
}

TEST_F(Redo, RefusesAPatternThatMatchesNothing) {
  test::run_job(job_);
  EXPECT_THAT([&] { redo("nothing"); },
              ThrowsMessage<InputError>(HasSubstr("--module is 'nothing'")));
}

TEST_F(Redo, RefusesToChangeMoreThanLayers) {
  test::run_job(job_);
  job_.quantize.seed = 5;
  EXPECT_THAT([&] { redo("down_proj"); },
              ThrowsMessage<InputError>(HasSubstr("quantize.seed is 5 (the run had 0)")));
}

}  // namespace
}  // namespace tessera
