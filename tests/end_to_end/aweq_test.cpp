// Jobs that make integers: every scheme and format to the end, one answer for every number of
// ranks, wherever stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/integer_folder.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using jobs::OutputFormat;
using solver::Scheme;
using test::contents_of;
using testing::HasSubstr;
using testing::ThrowsMessage;

class AweqJob : public testing::Test {
 protected:
  AweqJob() {
    job_.quantize.method = jobs::Method::aweq;
    job_.quantize.aweq.integers.group_size = 16;
    job_.output.format = OutputFormat::compressed_tensors;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  std::map<std::string, std::string> make_expected() {
    test::run_job(job_, ExistingRun::refuse, 1);
    auto bytes = contents_of(job_.output.dir);
    start_over();
    return bytes;
  }
  /// Sizes of which GPTQ's engines can hold 3 bits.
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path(), {.hidden_size = 32,
                                                                 .intermediate_size = 64,
                                                                 .num_heads = 4,
                                                                 .num_kv_heads = 4,
                                                                 .num_blocks = 2});
};

TEST_F(AweqJob, EverySchemeInEveryFormatThatHoldsIt) {
  struct Case {
    Scheme scheme;
    bool symmetric;
    OutputFormat format;
    double worst_ratio;  ///< of the perplexities: random weights hardly mind
  };
  for (const Case& c : {Case{Scheme::w8a8, true, OutputFormat::compressed_tensors, 1.01},
                        Case{Scheme::w8a16, true, OutputFormat::compressed_tensors, 1.01},
                        Case{Scheme::w4a16, true, OutputFormat::compressed_tensors, 1.1},
                        Case{Scheme::w3a16, true, OutputFormat::compressed_tensors, 1.3},
                        Case{Scheme::w2a16, true, OutputFormat::compressed_tensors, 2},
                        Case{Scheme::w8a16, false, OutputFormat::gptq, 1.01},
                        Case{Scheme::w4a16, false, OutputFormat::gptq, 1.1},
                        Case{Scheme::w3a16, true, OutputFormat::gptq, 1.3},
                        Case{Scheme::w3a16, false, OutputFormat::gptq, 1.3},
                        Case{Scheme::w2a16, false, OutputFormat::gptq, 2}}) {
    job_.quantize.aweq.integers.scheme = c.scheme;
    job_.quantize.aweq.integers.symmetric = c.symmetric;
    job_.output.format = c.format;
    const auto report = test::run_job(job_);
    EXPECT_EQ(jobs::exit_code(report), 0);
    ASSERT_TRUE(report.original && report.quantized);
    EXPECT_LT(report.quantized->perplexity, c.worst_ratio * report.original->perplexity);
    EXPECT_NE(report.quantized->perplexity, report.original->perplexity);
    start_over();
  }
}

TEST_F(AweqJob, OneAnswerForEveryNumberOfRanksAndThreads) {
  job_.quantize.aweq.integers.scheme = Scheme::w8a8;  // keeps sampled tokens, too
  const auto expected = make_expected();
  for (const std::size_t ranks : {1, 2, 3, 7}) {
    for (const std::size_t threads : {1, 2}) {
      test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, threads);
      EXPECT_TRUE(contents_of(job_.output.dir) == expected)
          << ranks << " ranks, " << threads << " threads";
      start_over();
    }
  }
}

TEST_F(AweqJob, StoppedAnywhereAndResumedOnAnotherNumberOfRanks) {
  const auto expected = make_expected();
  for (int event = 1;; event += 2) {
    const bool has_ended = test::run_until_event(job_, 2, event);
    test::run_job_on_ranks(job_, ExistingRun::resume, 3, 1);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << "stopped at event " << event;
    start_over();
    if (has_ended) break;
  }
}

/// LLaMA's config declares biases for a whole class of layers: all of them get one.
TEST_F(AweqJob, CorrectedBiasesAreDeclaredAndStored) {
  job_.quantize.aweq.integers.scheme = Scheme::w2a16;
  test::run_job(job_);
  const auto config =
      JsonValue::parse(contents_of(job_.output.dir).at("config.json"), "config.json");
  const format::IntegerFolder packed(job_.output.dir);
  ASSERT_TRUE(config.contains("mlp_bias"));
  for (const std::string& layer : packed.packed_layers()) {
    const bool is_mlp = layer.find(".mlp.") != std::string::npos;
    const std::string key = is_mlp ? "mlp_bias" : "attention_bias";
    const bool is_declared = config.contains(key) && config.at(key).boolean();
    EXPECT_EQ(packed.contains(layer + ".bias"), is_declared) << layer;
  }
}

TEST_F(AweqJob, LayersThatStayAreScaledAlong) {
  job_.quantize.ignore = {"lm_head", "layers\\.0\\..*up_proj"};
  job_.quantize.aweq.integers.scheme = Scheme::w8a16;
  const auto report = test::run_job(job_);
  EXPECT_LT(report.quantized->perplexity, 1.01 * report.original->perplexity);
}

TEST_F(AweqJob, CodebooksCanBeEqualizedToo) {
  job_.quantize.method = jobs::Method::vptq;
  job_.output.format = OutputFormat::vptq;
  job_.quantize.equalize = true;
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_TRUE(fs::exists(job_.runtime.work_dir / "equalized" / "block-00000.h5"));
}

TEST_F(AweqJob, AnOptHasItsOwnBiasesCorrected) {
  fs::remove_all(job_.model.path);
  test::write_model_folder(job_.model.path, test::tiny_opt_json());
  job_.quantize.targets = {".*_proj", "fc1", "fc2"};
  job_.quantize.aweq.integers.scheme = Scheme::w8a8;
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_NEAR(report.quantized->perplexity, report.original->perplexity,
              0.005 * report.original->perplexity);
}

TEST_F(AweqJob, WhatAFormatCannotHoldIsRefusedBeforeAnyWork) {
  job_.quantize.aweq.integers.symmetric = false;
  EXPECT_THAT([&] { test::run_job(job_); }, ThrowsMessage<InputError>(HasSubstr("symmetric")));
  job_.quantize.aweq.integers.symmetric = true;
  job_.quantize.aweq.integers.group_size = 24;
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(HasSubstr("group_size 24 does not divide")));
  job_.quantize.aweq.integers.group_size = 16;
  job_.output.format = OutputFormat::gptq;  // which has one scheme for all layers
  job_.quantize.overrides = {{"down_proj", {}, job_.quantize.aweq}};
  job_.quantize.overrides[0].aweq.integers.scheme = Scheme::w8a16;
  EXPECT_THAT([&] { test::run_job(job_); }, ThrowsMessage<InputError>(HasSubstr("down_proj")));
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir / "calibration"));
  job_.quantize.overrides.clear();
  job_.quantize.aweq.integers.scheme = Scheme::w8a8;
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(HasSubstr("GPTQ has no place for that")));
}

}  // namespace
}  // namespace tessera
