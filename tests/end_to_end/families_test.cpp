// Whole jobs on models of other families than Llama: OPT, with other names, norms with biases,
// learned positions and an MLP without a gate, and Phi-3, with fused layers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "jobs/inspect.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

class FamilyJob : public testing::Test {
 protected:
  explicit FamilyJob(const std::string& config_json) {
    fs::remove_all(job_.model.path);
    test::write_model_folder(job_.model.path, config_json);
    job_.quantize.targets = {".*_proj", "fc1", "fc2"};
  }
  std::vector<std::string> modules_of_block(const jobs::RunReport& report, std::size_t block) {
    std::vector<std::string> modules;
    for (const auto& row : report.layers) {
      EXPECT_LT(row.proxy_error, 1) << row.module;
      if (row.block == block) modules.push_back(row.module);
    }
    return modules;
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

struct OptJob : FamilyJob {
  OptJob() : FamilyJob(test::tiny_opt_json()) {}
};
struct Phi3Job : FamilyJob {
  Phi3Job() : FamilyJob(test::tiny_phi3_json()) {}
};

TEST_F(OptJob, EveryLinearLayerIsQuantizedAndTheResultIsRead) {
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_THAT(modules_of_block(report, 1),
              ElementsAre("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                          "self_attn.out_proj", "fc1", "fc2"));
  ASSERT_TRUE(report.original && report.quantized);
  EXPECT_NE(report.original->perplexity, report.quantized->perplexity);

  const JsonValue packed = jobs::inspect(folder_ / "out");
  EXPECT_EQ(packed.at("kind").text(), "packed model");
  EXPECT_EQ(packed.at("config").at("architecture").text(), "OPTForCausalLM");
  EXPECT_EQ(packed.at("layers").items().size(), 12u);
}

TEST_F(OptJob, OneAnswerForEveryNumberOfThreads) {
  job_.evaluation = {};
  test::run_job(job_, jobs::ExistingRun::refuse, 1);
  const auto alone = test::contents_of(folder_ / "out");
  fs::remove_all(folder_ / "out");
  fs::remove_all(folder_ / "work");
  test::run_job(job_, jobs::ExistingRun::refuse, 3);
  EXPECT_EQ(test::contents_of(folder_ / "out").at("model.safetensors"),
            alone.at("model.safetensors"));
}

TEST_F(OptJob, ASequenceBeyondTheLearnedPositionsIsRefusedBeforeAnyWork) {
  job_.evaluation.context_length = 129;
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(HasSubstr("evaluation.context_length is 129 tokens")));
  job_.evaluation.context_length = 17;
  job_.calibration.max_seq_length = 200;
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(HasSubstr("calibration.max_seq_length is 200 tokens")));
}

TEST_F(OptJob, TheOriginalIsInspectedLikeOthers) {
  const JsonValue model = jobs::inspect(job_.model.path);
  EXPECT_EQ(model.at("kind").text(), "model");
  EXPECT_EQ(model.at("config").at("intermediate_size").integer(), 44);
}

TEST_F(Phi3Job, AFusedLayerIsQuantizedAsOne) {
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_THAT(modules_of_block(report, 0), ElementsAre("self_attn.qkv_proj", "self_attn.o_proj",
                                                       "mlp.gate_up_proj", "mlp.down_proj"));
  EXPECT_EQ(report.layers.front().out_features, 80u);
  ASSERT_TRUE(report.original && report.quantized);
  EXPECT_NE(report.original->perplexity, report.quantized->perplexity);
  EXPECT_EQ(jobs::inspect(folder_ / "out").at("layers").items().size(), 8u);
}

}  // namespace
}  // namespace tessera
