// Jobs that make residuals: one answer for every number of ranks, wherever stopped; files that fit
// their model and no other.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "core/error.hpp"
#include "format/open_weights.hpp"
#include "format/residual_file.hpp"
#include "jobs/compensated_score.hpp"
#include "jobs/verify.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using testing::HasSubstr;
using testing::ThrowsMessage;

class ResidualJob : public testing::Test {
 protected:
  ResidualJob() {
    job_.residual.bits = 4;
    job_.residual.k_chunk = 200;
    job_.evaluation.k_chunks = {0, 200, 1024};
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ =
      test::write_tiny_job(folder_.path(), {.hidden_size = 32, .intermediate_size = 40});
};

TEST_F(ResidualJob, GivesTheQualityBack) {
  const auto report = test::run_job(job_);
  ASSERT_EQ(report.compensated.size(), 3U);
  ASSERT_TRUE(report.original && report.quantized);
  EXPECT_EQ(report.compensated[0].perplexity, report.quantized->perplexity);
  const auto lost = [&](double perplexity) {
    return std::fabs(perplexity / report.original->perplexity - 1);
  };
  EXPECT_LT(lost(report.compensated[2].perplexity), 0.02) << "all channels";
  EXPECT_GT(report.compensated[1].bytes_per_token, 0U);
  EXPECT_GT(report.residual_bytes, 0U);
  for (const jobs::LayerReport& layer : report.layers) {
    ASSERT_FALSE(layer.compensation.empty());
    EXPECT_EQ(layer.compensation[0].k_chunk, 0U);
    EXPECT_LT(layer.compensation.back().error, layer.compensation[0].error) << layer.module;
  }
}

TEST_F(ResidualJob, GivesTheSameBytesOnEveryNumberOfRanksAndThreads) {
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  ASSERT_TRUE(expected.contains("decdec_residual.safetensors"));
  for (const std::size_t ranks : {2, 3, 7}) {
    start_over();
    test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, ranks == 2 ? 2 : 1);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << ranks << " ranks";
  }
}

TEST_F(ResidualJob, GivesTheSameBytesWhereverStopped) {
  job_.quantize.method = jobs::Method::aweq;
  job_.quantize.aweq.integers.group_size = 8;
  job_.output.format = jobs::OutputFormat::compressed_tensors;
  job_.output.max_shard_size = 6000;
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  ASSERT_TRUE(expected.contains("decdec_residual.safetensors.index.json"));
  start_over();
  std::size_t stops = 0;
  for (const int event : {3, 9, 17, 26, 40}) {
    if (test::run_until_event(job_, 1 + stops % 3, event)) break;
    ++stops;
  }
  EXPECT_GT(stops, 2U);
  test::run_job_on_ranks(job_, ExistingRun::resume, 2, 1);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

TEST_F(ResidualJob, VerifiesAndRefusesAnotherBase) {
  test::run_job(job_);
  EXPECT_TRUE(jobs::verify_output(job_.output.dir).findings.empty());
  const fs::path residual = folder_ / "decdec_residual.safetensors";
  fs::copy(job_.output.dir / "decdec_residual.safetensors", residual);
  start_over();
  job_.quantize.seed = 3;
  test::run_job(job_);
  const format::ResidualFile other(residual);
  EXPECT_THAT(
      [&] { other.require_base(job_.output.dir, model::read_model_config(job_.output.dir)); },
      ThrowsMessage<InputError>(HasSubstr("digest")));
  fs::copy(residual, job_.output.dir / "decdec_residual.safetensors",
           fs::copy_options::overwrite_existing);
  EXPECT_FALSE(jobs::verify_output(job_.output.dir).findings.empty());
}

// d_out 36 at 4 bits is not whole words.
TEST_F(ResidualJob, RefusesSizesThatTheFileCannotHoldBeforeAnyWork) {
  const test::TemporaryFolder other;
  auto job = test::write_tiny_job(other.path());
  job.residual.bits = 4;
  EXPECT_THAT([&] { test::run_job(job); }, ThrowsMessage<InputError>(HasSubstr("mlp.gate_proj")));
  EXPECT_FALSE(fs::exists(job.runtime.work_dir / "calibration"));
}

// The choice is the same on any number of ranks and wherever stopped, costs no more than one
// k_chunk for all, and is measured again with layers that are solved again.
TEST_F(ResidualJob, SharesOutABudget) {
  job_.residual.budget.bytes_per_token = 3000;
  job_.evaluation.k_chunks = {};
  const auto report = test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  const auto by_layer = std::ranges::find_if(
      report.compensated, [](const jobs::CompensatedReport& score) { return score.is_by_layer; });
  ASSERT_NE(by_layer, report.compensated.end());
  EXPECT_LE(by_layer->bytes_per_token, 3000U);
  EXPECT_GT(by_layer->bytes_per_token, 2000U) << "bytes are left over";
  const format::ResidualFile residuals(job_.output.dir);
  EXPECT_EQ(residuals.info().k_chunk_of.size(), 21U);
  EXPECT_TRUE(fs::exists(job_.runtime.work_dir / "residual-budget/divergence-00000.h5"));
  start_over();
  test::run_until_event(job_, 2, 40);
  test::run_job_on_ranks(job_, ExistingRun::resume, 3, 1);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
  job_.quantize.overrides.push_back({"layers\\.1\\.mlp\\.down_proj", job_.quantize.vptq, {}});
  job_.quantize.overrides.back().vptq.num_centroids = 4;
  Threads threads(1);
  SilentLog log;
  cluster::SelfCommunicator alone;
  StopFlag stop;
  jobs::RunContext run{threads, log, alone, stop, {}, "layers\\.1\\.mlp\\.down_proj"};
  const auto before = contents_of(job_.runtime.work_dir).at("residual-budget/divergence-00000.h5");
  jobs::run_quantize_job(job_, ExistingRun::redo, run);
  EXPECT_NE(contents_of(job_.runtime.work_dir).at("residual-budget/divergence-00000.h5"), before);
}

TEST_F(ResidualJob, ScoresBothProtocols) {
  test::run_job(job_);
  Threads threads(1);
  SilentLog log;
  cluster::SelfCommunicator alone;
  StopFlag stop;
  jobs::RunContext run{threads, log, alone, stop};
  const auto config = model::read_model_config(job_.output.dir);
  const auto weights = format::open_weights(job_.output.dir);
  std::vector<std::uint32_t> tokens;
  for (std::uint32_t i = 0; i < 51; ++i) tokens.push_back((7 * i * i + 1) % 61);
  jobs::ResidualRequest request;
  request.file = job_.output.dir;
  const auto own =
      jobs::score_compensated(run, job_.output.dir, {config, *weights, ""}, request, tokens, {17});
  ASSERT_EQ(own.size(), 1U) << "what the file was made for";
  EXPECT_EQ(own[0].k_chunk, 200U);
  EXPECT_EQ(own[0].score.num_tokens, 3U * 16);
  request.protocol = jobs::Protocol::prefill_plain;
  request.k_chunks = {0, 1024};
  const auto behind =
      jobs::score_compensated(run, job_.output.dir, {config, *weights, ""}, request, tokens, {17});
  EXPECT_EQ(behind[0].score.num_tokens, 3U * 8) << "a prompt of 8, its next token predicted by it";
  EXPECT_NE(behind[0].score.perplexity, behind[1].score.perplexity);
  request.prompt_tokens = 15;
  EXPECT_EQ(jobs::score_compensated(run, job_.output.dir, {config, *weights, ""}, request, tokens,
                                    {17})[0]
                .score.num_tokens,
            3U)
      << "one token of each window";
  request.prompt_tokens = 16;
  EXPECT_THAT(
      [&] {
        jobs::score_compensated(run, job_.output.dir, {config, *weights, ""}, request, tokens,
                                {17});
      },
      ThrowsMessage<InputError>(HasSubstr("--prompt-tokens is 16 (a window has 17")));
  request.prompt_tokens = 0;
  request.k_chunks = {1025};
  EXPECT_THAT(
      [&] {
        jobs::score_compensated(run, job_.output.dir, {config, *weights, ""}, request, tokens,
                                {17});
      },
      ThrowsMessage<InputError>(HasSubstr("--k-chunk is 1025")));
}

}  // namespace
}  // namespace tessera
