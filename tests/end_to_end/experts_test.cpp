// Whole jobs on mixtures of experts: every expert solved from its own tokens, routers left as they
// are, experts without tokens named.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "jobs/inspect.hpp"
#include "jobs/stages/audit_experts.hpp"
#include "model/safetensors_file.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using jobs::OutputFormat;
using test::contents_of;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::ThrowsMessage;

/// Keeps what is said.
class LinesLog final : public Log {
 public:
  std::vector<std::string> infos, warnings, details;
  void info(const std::string& text) override { infos.push_back(text); }
  void warning(const std::string& text) override { warnings.push_back(text); }
  void detail(const std::string& text) override { details.push_back(text); }
  void progress(const Progress&) override {}
};

class Experts : public testing::Test {
 protected:
  void write_model(const std::string& json) {
    fs::remove_all(job_.model.path);
    test::write_model_folder(job_.model.path, json);
  }
  void choose_integers(OutputFormat format) {
    job_.quantize.method = jobs::Method::aweq;
    job_.quantize.aweq.integers.group_size = 16;
    job_.output.format = format;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  void expect_one_answer() {
    test::run_job(job_, ExistingRun::refuse, 1);
    const auto expected = contents_of(job_.output.dir);
    start_over();
    for (const std::size_t ranks : {1, 2, 3}) {
      test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, 2);
      EXPECT_TRUE(contents_of(job_.output.dir) == expected) << ranks << " ranks";
      start_over();
    }
  }
  JsonValue config_of_output() {
    return JsonValue::parse(contents_of(job_.output.dir).at("config.json"), "config.json");
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

std::vector<std::string> texts_of(const JsonValue& list) {
  std::vector<std::string> texts;
  for (const JsonValue& item : list.items()) texts.push_back(item.text());
  return texts;
}

TEST_F(Experts, EveryFamilyIsQuantizedAndReadBack) {
  struct Case {
    const char* family;
    std::size_t layers_of_block;
  };
  for (const auto& [family, count] : {Case{"Mixtral", 16}, {"Qwen2Moe", 19}, {"Qwen3Moe", 16}}) {
    write_model(test::tiny_mixture_json(family));
    const auto report = test::run_job(job_);
    EXPECT_EQ(jobs::exit_code(report), 0) << family;
    EXPECT_EQ(report.layers.size(), 2 * count);
    for (const auto& row : report.layers) EXPECT_LT(row.proxy_error, 1) << row.module;
    ASSERT_TRUE(report.original && report.quantized);
    EXPECT_NE(report.original->perplexity, report.quantized->perplexity);
    EXPECT_LT(report.quantized->perplexity, 1.5 * report.original->perplexity);
    const JsonValue packed = jobs::inspect(folder_ / "out");
    EXPECT_EQ(packed.at("layers").items().size(), 2 * count);
    EXPECT_EQ(packed.at("config").at("experts").integer(), 4);
    start_over();
  }
}

TEST_F(Experts, EveryFormatLeavesTheRoutersAlone) {
  write_model(test::tiny_mixture_json("Qwen2Moe"));
  choose_integers(OutputFormat::compressed_tensors);
  job_.quantize.aweq.equalize = solver::Equalize::none;
  test::run_job(job_);
  EXPECT_THAT(
      texts_of(config_of_output().at("quantization_config").at("ignore")),
      ElementsAre("lm_head", "model.layers.0.mlp.gate", "model.layers.0.mlp.shared_expert_gate",
                  "model.layers.1.mlp.gate", "model.layers.1.mlp.shared_expert_gate"));
  // Not equalized: the router's values are the original's, in the output's type.
  const model::SafetensorsFolder before(job_.model.path), after(job_.output.dir);
  const auto old_router = before.read_matrix("model.layers.1.mlp.gate.weight", 4, 32);
  const auto router = after.read_matrix("model.layers.1.mlp.gate.weight", 4, 32);
  for (std::size_t i = 0; i < router.size(); ++i) {
    EXPECT_EQ(router.data()[i], rounded_to(job_.output.dtype, old_router.data()[i]));
  }
  start_over();
  choose_integers(OutputFormat::gptq);
  job_.quantize.aweq.integers.group_size = 32;
  test::run_job(job_);
  EXPECT_TRUE(config_of_output()
                  .at("quantization_config")
                  .at("dynamic")
                  .contains("-:^model\\.layers\\.0\\.mlp\\.gate$"));
  start_over();
  job_.quantize.method = jobs::Method::vptq;
  job_.output.format = OutputFormat::vptq;
  test::run_job(job_);
  EXPECT_THAT(texts_of(config_of_output().at("quantization_config").at("modules_to_not_convert")),
              AllOf(SizeIs(5), Contains("model.layers.1.mlp.gate")));
}

TEST_F(Experts, OneAnswerForEveryNumberOfRanksAndThreads) {
  write_model(test::tiny_mixture_json("Qwen2Moe"));
  expect_one_answer();
  choose_integers(OutputFormat::compressed_tensors);  // and equalized
  expect_one_answer();
  job_.quantize.aweq.integers.scheme = solver::Scheme::w8a8;
  job_.quantize.aweq.integers.granularity = solver::Granularity::channel;
  expect_one_answer();
}

TEST_F(Experts, StoppedAnywhereTheRunGoesOnToTheSameBytes) {
  write_model(test::tiny_mixture_json("Mixtral"));
  choose_integers(OutputFormat::compressed_tensors);
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  start_over();
  for (int event = 3;; event += 7) {
    if (test::run_until_event(job_, 2, event)) break;
  }
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

TEST_F(Experts, ThoseWithoutTokensAreNamedAndSolvedWithoutAHessian) {
  write_model(test::tiny_mixture_json("Qwen3Moe", 24, 1));
  job_.evaluation = {};
  for (const bool equalizes : {false, true}) {
    if (equalizes) choose_integers(OutputFormat::compressed_tensors);
    LinesLog log;
    const auto report = test::run_job(job_, ExistingRun::refuse, 2, log);
    EXPECT_EQ(jobs::exit_code(report), 3);  // degraded
    std::size_t num_degraded = 0;
    for (const auto& row : report.layers) {
      EXPECT_TRUE(std::isfinite(row.proxy_error)) << row.module;
      if (!row.is_degraded) continue;
      ++num_degraded;
      EXPECT_THAT(row.remarks, Contains(HasSubstr("calibration saw no token of expert ")))
          << row.module;
    }
    EXPECT_GT(num_degraded, 0u);
    EXPECT_EQ(num_degraded % 3, 0u);  // gate, up and down of each
    EXPECT_THAT(log.infos, Contains(HasSubstr("block 1: 24 experts saw 0 to ")));
    EXPECT_THAT(log.details, Contains(HasSubstr("block 0, tokens per expert: 0: ")));
    EXPECT_THAT(log.warnings, Contains(HasSubstr("block 0: calibration saw no token of expert")));
    start_over();
  }
}

TEST_F(Experts, ThoseWithoutTokensAreKeptWhereTheJobSaysSo) {
  write_model(test::tiny_mixture_json("Qwen3Moe", 24, 1));
  job_.evaluation = {};
  job_.quantize.ladder.fallback = jobs::Fallback::keep;
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 3);
  const auto left_alone =
      texts_of(config_of_output().at("quantization_config").at("modules_to_not_convert"));
  std::size_t num_kept = 0;
  for (const auto& row : report.layers) {
    EXPECT_EQ(row.is_kept, row.is_degraded) << row.module;
    const auto name = "model.layers." + std::to_string(row.block) + "." + row.module;
    EXPECT_EQ(std::ranges::count(left_alone, name), row.is_kept ? 1 : 0) << name;
    num_kept += row.is_kept ? 1 : 0;
  }
  EXPECT_GT(num_kept, 0u);
}

TEST_F(Experts, TooFewTokensAreRefusedBeforeAnythingIsSolved) {
  write_model(test::tiny_mixture_json("Mixtral"));
  job_.calibration.audit.min_expert_tokens = 133;  // as many as there are
  EXPECT_THAT(
      [&] { test::run_job_on_ranks(job_, ExistingRun::refuse, 2, 1); },
      ThrowsMessage<InputError>(AllOf(HasSubstr("block 0: expert "), HasSubstr("block 1: expert "),
                                      HasSubstr("calibration.audit.min_expert_tokens is 133"))));
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir / "solved"));
  job_.calibration.audit.min_expert_tokens = 1;
  EXPECT_NO_THROW(test::run_job(job_, ExistingRun::resume));
}

TEST_F(Experts, TokensPerExpertAddUp) {
  write_model(test::tiny_mixture_json("Mixtral"));
  job_.evaluation = {};
  LinesLog log;
  test::run_job(job_, ExistingRun::refuse, 1, log);
  for (const std::string& line : log.details) {
    const auto at = line.find("tokens per expert: ");
    if (at == line.npos) continue;
    std::size_t sum = 0, num_experts = 0;
    for (std::size_t colon = line.find(": ", at + 18); colon != line.npos;
         colon = line.find(": ", colon + 1)) {
      sum += std::stoul(line.substr(colon + 2));
      ++num_experts;
    }
    EXPECT_EQ(num_experts, 4u) << line;
    EXPECT_EQ(sum, 2 * 7 * 19u) << line;  // each token twice
  }
  EXPECT_THAT(log.details, Contains(HasSubstr("tokens per expert")).Times(2));
}

TEST_F(Experts, OverridesAndTargetsNameExperts) {
  write_model(test::tiny_mixture_json("Mixtral"));
  job_.quantize.targets = {"experts\\.3\\.w2"};
  LinesLog log;
  const auto report = test::run_job(job_, ExistingRun::refuse, 1, log);
  ASSERT_EQ(report.layers.size(), 2u);
  EXPECT_EQ(report.layers[1].module, "block_sparse_moe.experts.3.w2");
  EXPECT_THAT(log.infos, Contains(HasSubstr("block 0: 1 experts saw ")));
  EXPECT_THAT(log.warnings, Not(Contains(HasSubstr("no token"))));
}

TEST(ExpertTokens, AreNamedWithTheirLimits) {
  const jobs::ExpertTokens tokens{3, {{0, 12}, {1, 0}, {2, 104}, {5, 0}}};
  EXPECT_EQ(jobs::range_text(tokens), "block 3: 4 experts saw 0 to 104 tokens each");
  EXPECT_THAT(jobs::idle_text(tokens),
              HasSubstr("block 3: calibration saw no token of experts 1, 5 ("));
  EXPECT_EQ(jobs::idle_text({3, {{0, 12}}}), "");
  EXPECT_THAT(jobs::too_few(tokens, 0), IsEmpty());
  EXPECT_THAT(jobs::too_few(tokens, 12), SizeIs(2));
  EXPECT_THAT(jobs::too_few(tokens, 13),
              Contains("block 3: expert 0 saw 12 tokens (calibration.audit.min_expert_tokens is "
                       "13)"));
}

}  // namespace
}  // namespace tessera
