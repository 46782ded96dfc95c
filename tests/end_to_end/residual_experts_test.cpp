// Residuals of mixtures of experts: every expert's layers have their own, and are compensated with
// the tokens that reach them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/residual_file.hpp"
#include "jobs/verify.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;

class ResidualsOfExperts : public testing::Test {
 protected:
  ResidualsOfExperts() {
    job_.residual.bits = 4;
    job_.residual.k_chunk = 256;
    job_.evaluation.k_chunks = {0, 256, 1024};
  }
  void write_model(const std::string& json) {
    fs::remove_all(job_.model.path);
    test::write_model_folder(job_.model.path, json);
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

// Mixtral: 4 of attention and 3 of each of 4 experts in 2 blocks; a shared expert has 3 more.
TEST_F(ResidualsOfExperts, GiveTheQualityBackInEveryFamily) {
  struct Case {
    const char* family;
    std::size_t layers_of_block;
  };
  for (const auto& [family, count] : {Case{"Mixtral", 16}, {"Qwen2Moe", 19}, {"Qwen3Moe", 16}}) {
    write_model(test::tiny_mixture_json(family));
    const auto report = test::run_job(job_);
    ASSERT_EQ(report.compensated.size(), 3U);
    EXPECT_EQ(report.compensated[0].perplexity, report.quantized->perplexity) << family;
    const auto lost = [&](double perplexity) {
      return std::fabs(perplexity / report.original->perplexity - 1);
    };
    EXPECT_LT(lost(report.compensated[2].perplexity), 0.02) << family << ", all channels";
    EXPECT_EQ(format::ResidualFile(job_.output.dir).layers().size(), 2 * count) << family;
    EXPECT_TRUE(jobs::verify_output(job_.output.dir).findings.empty()) << family;
    start_over();
  }
}

TEST_F(ResidualsOfExperts, AreTheSameOnEveryNumberOfRanks) {
  write_model(test::tiny_mixture_json("Qwen2Moe"));
  job_.residual.budget.bytes_per_token = 2000;
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  start_over();
  test::run_job_on_ranks(job_, ExistingRun::refuse, 3, 2);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

// An expert that no calibration token reached has no Hessian, no kept tokens and no borders.
TEST_F(ResidualsOfExperts, AreMadeWithoutTokensToo) {
  write_model(test::tiny_mixture_json("Qwen3Moe", 24, 1));
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 3);
  for (const auto& scored : report.compensated) {
    EXPECT_TRUE(std::isfinite(scored.perplexity));
  }
  EXPECT_TRUE(jobs::verify_output(job_.output.dir).findings.empty());
}

}  // namespace
}  // namespace tessera
