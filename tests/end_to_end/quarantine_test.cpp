// Layers that cannot be solved as asked: put aside, tried rung by rung, named, never silent.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/flat_statistics.hpp"
#include "cluster/self_communicator.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/manifest.hpp"
#include "format/open_weights.hpp"
#include "jobs/ladder.hpp"
#include "jobs/plan.hpp"
#include "jobs/settings/describe_job.hpp"
#include "jobs/verify.hpp"
#include "jobs/work_folder.hpp"
#include "model/safetensors_file.hpp"
#include "solver/vptq/vptq_solver.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using jobs::Fallback;
using test::contents_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

const std::string kDown = "model.layers.1.mlp.down_proj";
/// Sides that integers of 4 bits are packed along.
const test::TinyModel kPackable = {
    .hidden_size = 32, .intermediate_size = 64, .num_heads = 4, .num_kv_heads = 4, .num_blocks = 2};

class Quarantine : public testing::Test {
 protected:
  /// 19 tokens for 24 and 36 channels, and no dampening: every Hessian is singular.
  void starve() {
    job_.calibration.num_samples = job_.calibration.num_shards = 1;
    job_.quantize.dampening_frac = 0;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  /// What the file of block 1's mlp_hidden holds, changed; its layer, down_proj, is to be solved
  /// again.
  template <class Change>
  void damage_statistics(Change&& change) {
    SilentLog log;
    jobs::WorkFolder work(job_.runtime.work_dir, log);
    const std::string file = "calibration/block-00001/statistics-mlp_hidden-00000-of-00001.h5";
    calibration::StatisticsSlab slab;
    work.load(file, "statistics", slab);
    change(slab);
    work.commit(file, "statistics", slab);
    fs::remove(work.path("solved/block-00001/mlp.down_proj.h5"));
    fs::remove_all(job_.output.dir);
  }
  /// A solved layer as if it had failed, so that only the fallback is left.
  void put_aside(const std::string& solved_file) {
    SilentLog log;
    jobs::WorkFolder work(job_.runtime.work_dir, log);
    work.commit(jobs::quarantine_file_of(solved_file), "quarantine",
                jobs::Quarantine{"made up", false});
    fs::remove(work.path(solved_file));
    fs::remove_all(job_.output.dir);
  }
  static const jobs::LayerReport& row_of(const jobs::RunReport& report, std::size_t block,
                                         const std::string& module) {
    for (const auto& row : report.layers) {
      if (row.block == block && row.module == module) return row;
    }
    throw Bug("no such layer");
  }
  static std::size_t num_degraded(const jobs::RunReport& report) {
    return static_cast<std::size_t>(
        std::ranges::count_if(report.layers, &jobs::LayerReport::is_degraded));
  }
  /// The layer as the output's reader sees it.
  Matrix<float> packed(const std::string& layer, std::size_t rows, std::size_t cols) const {
    return format::open_weights(job_.output.dir)->read_matrix(layer + ".weight", rows, cols);
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

void spoil_with_nan(calibration::StatisticsSlab& slab) {
  slab.values[0] = std::nan("");
}
/// Channels 0 and 1 are more alike than a channel is like itself.
void make_indefinite(calibration::StatisticsSlab& slab) {
  slab.values[1] = 1e4 * (slab.values[0] + slab.values[2]);
}
void take_tokens(calibration::StatisticsSlab& slab) {
  slab.values[calibration::place_of_token_count(slab.shape)] = 0;
}

TEST_F(Quarantine, MoreDampeningGivesWhatAJobOfThatDampeningGives) {
  starve();
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 3);
  ASSERT_EQ(num_degraded(report), 21u);
  for (const auto& row : report.layers) {
    ASSERT_EQ(row.ladder.size(), 2u) << row.module;
    EXPECT_EQ(row.ladder[0].tried, "dampening 0");
    EXPECT_THAT(row.ladder[0].problem, HasSubstr("not positive definite"));
    EXPECT_EQ(row.ladder[1].tried, "dampening 0.2");
    EXPECT_EQ(row.ladder[1].problem, "");
    EXPECT_EQ(row.damp_fraction, 0.2);
    EXPECT_THAT(row.remarks.front(), HasSubstr("dampening 0.2 held"));
  }
  const auto expected = contents_of(job_.output.dir).at("model.safetensors");
  start_over();
  job_.quantize.dampening_frac = 0.2;
  EXPECT_EQ(jobs::exit_code(test::run_job(job_)), 0);
  EXPECT_EQ(contents_of(job_.output.dir).at("model.safetensors"), expected);
}

TEST_F(Quarantine, PlainIsTheSolverUnderTheIdentity) {
  starve();
  job_.quantize.ladder.dampening.clear();
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 3);
  const auto& row = row_of(report, 1, "mlp.down_proj");
  ASSERT_EQ(row.ladder.size(), 2u);
  EXPECT_EQ(row.ladder[1].tried, "plain");
  EXPECT_GT(row.proxy_error, 0);

  const model::SafetensorsFolder original(job_.model.path);
  const auto weight = original.read_matrix(kDown + ".weight", 24, 36);
  Matrix<double> identity(36, 36);
  for (std::size_t i = 0; i < 36; ++i) identity(i, i) = 1;
  Threads threads(1);
  const auto wanted =
      solver::dequantize(solver::solve_vptq(threads, {kDown, weight, identity}, job_.quantize.vptq,
                                            0, job_.output.dtype)
                             .layer);
  const auto found = packed(kDown, 24, 36);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(found.data()[i], wanted.data()[i], 1e-6);  // three roundings of numbers below 2
  }
}

TEST_F(Quarantine, StatisticsThatAreNoneCostOneLayer) {
  test::run_job(job_);
  const auto healthy = contents_of(job_.output.dir).at("model.safetensors");
  struct Case {
    void (*damage)(calibration::StatisticsSlab&);
    const char* problem;
    std::size_t tries;  // more dampening is tried only where there is a Hessian
  };
  for (const auto& [damage, problem, tries] :
       {Case{spoil_with_nan, "the second moment of channels 0 and 0 is nan after 133 tokens", 2},
        {make_indefinite, "the Hessian is not positive definite at a dampening of 0.05", 4},
        {take_tokens, "calibration saw no token of block 1", 2}}) {
    start_over();
    test::run_job(job_);
    damage_statistics(damage);
    const auto report = test::run_job(job_, ExistingRun::resume);
    EXPECT_EQ(jobs::exit_code(report), 3) << problem;
    EXPECT_EQ(num_degraded(report), 1u) << problem;
    const auto& row = row_of(report, 1, "mlp.down_proj");
    EXPECT_EQ(row.ladder.size(), tries) << problem;
    EXPECT_THAT(row.ladder.front().problem, HasSubstr(problem));
    EXPECT_EQ(row.ladder.back().tried, "plain");
    EXPECT_TRUE(std::isfinite(row.proxy_error)) << problem;
    EXPECT_NE(contents_of(job_.output.dir).at("model.safetensors"), healthy);
    EXPECT_TRUE(jobs::verify(job_.output.dir).is_sound());
  }
}

TEST_F(Quarantine, KeepLeavesTheLayerAsItIsInEveryFormat) {
  for (const bool makes_integers : {false, true}) {
    if (makes_integers) {  // equalized, too: the scaled weights are kept
      job_ = test::write_tiny_job(folder_ / "integers", kPackable);
      job_.quantize.method = jobs::Method::aweq;
      job_.quantize.aweq.integers.group_size = 16;
      job_.output.format = jobs::OutputFormat::compressed_tensors;
    }
    job_.quantize.ladder.fallback = Fallback::keep;
    job_.residual.bits = 8;
    test::run_job(job_);
    damage_statistics(spoil_with_nan);
    const auto report = test::run_job_on_ranks(job_, ExistingRun::resume, 2, 1);
    EXPECT_EQ(jobs::exit_code(report), 3);
    const auto& row = row_of(report, 1, "mlp.down_proj");
    EXPECT_TRUE(row.is_kept);
    EXPECT_EQ(row.bits, 16);
    EXPECT_EQ(row.proxy_error, 0);
    const auto config = JsonValue::parse(contents_of(job_.output.dir).at("config.json"), "config");
    EXPECT_THAT(config.at("quantization_config")
                    .at(makes_integers ? "ignore" : "modules_to_not_convert")
                    .to_text(),
                HasSubstr(kDown));
    EXPECT_TRUE(jobs::verify(job_.output.dir).is_sound());
  }
}

/// Engines join q, k and v, and refuse a module of which only some are quantized.
TEST_F(Quarantine, WhatEnginesLoadAsOneWithAKeptLayerIsKeptToo) {
  const std::string gate = "mlp.gate_proj", up = "mlp.up_proj", k = "self_attn.k_proj";
  const std::vector<std::string> kept{"self_attn.q_proj", k, "self_attn.v_proj", gate, up};
  for (const auto format : {jobs::OutputFormat::gptq, jobs::OutputFormat::compressed_tensors,
                            jobs::OutputFormat::vptq}) {
    const bool makes_integers = format != jobs::OutputFormat::vptq;
    job_ = test::write_tiny_job(folder_ / std::string(name_of_value(format)), kPackable);
    if (makes_integers) {
      job_.quantize.method = jobs::Method::gptq;
      job_.quantize.gptq.group_size = 16;
    }
    job_.output.format = format;
    job_.quantize.ladder.fallback = Fallback::keep;
    test::run_job(job_);
    const auto healthy = contents_of(job_.output.dir).at("model.safetensors");
    put_aside("solved/block-00001/self_attn.k_proj.h5");
    put_aside("solved/block-00001/mlp.up_proj.h5");
    const auto report = test::run_job(job_, ExistingRun::resume);
    EXPECT_EQ(jobs::exit_code(report), 3);
    EXPECT_EQ(num_degraded(report), makes_integers ? 5u : 2u);
    const auto files = contents_of(job_.output.dir);
    const std::string config = files.at("config.json");
    for (const auto& row : report.layers) {
      const bool is_one_of_them =
          row.block == 1 && std::ranges::find(kept, row.module) != kept.end();
      const bool has_failed = row.module == k || row.module == up;
      EXPECT_EQ(row.is_kept, is_one_of_them && (makes_integers || has_failed)) << row.module;
      if (!row.is_kept) continue;
      EXPECT_THAT(row.remarks.front(),
                  HasSubstr(has_failed ? "made up" : "engines load it as one with"));
      EXPECT_THAT(row.remarks.front(), HasSubstr("keep held"));
      const std::string name = "model.layers.1." + row.module;
      EXPECT_TRUE(format::read_manifest(job_.output.dir).degraded.contains(name));
      std::string pattern = name;  // GPTQ excludes by regular expressions, in JSON
      if (format == jobs::OutputFormat::gptq) {
        for (std::size_t dot = 0; (dot = pattern.find('.', dot)) != pattern.npos; dot += 3) {
          pattern.replace(dot, 1, "\\\\.");
        }
      }
      EXPECT_THAT(config, HasSubstr(pattern));
      const auto weight = model::SafetensorsFolder(job_.model.path)
                              .read_matrix(name + ".weight", row.out_features, row.in_features);
      const auto found = packed(name, row.out_features, row.in_features);
      for (std::size_t i = 0; i < weight.size(); ++i) {
        ASSERT_EQ(found.data()[i], rounded_to(job_.output.dtype, weight.data()[i]));
      }
    }
    EXPECT_TRUE(jobs::verify(job_.output.dir).is_sound());

    // On other ranks, and where it went on after the layers were kept: the same.
    fs::remove_all(job_.output.dir);
    put_aside("solved/block-00001/self_attn.k_proj.h5");
    fs::remove(job_.runtime.work_dir / "solved/block-00001/mlp.gate_proj.h5");
    test::run_job_on_ranks(job_, ExistingRun::resume, 3, 1);
    EXPECT_EQ(contents_of(job_.output.dir).at("model.safetensors"), files.at("model.safetensors"));

    // Once it holds, the others are quantized again.
    for (const char* module : {"k_proj", "up_proj"}) {
      Threads threads(1);
      SilentLog log;
      cluster::SelfCommunicator alone;
      StopFlag stop;
      jobs::RunContext context{threads, log, alone,
                               stop,    {},  "layers\\.1\\..*" + std::string(module)};
      jobs::run_quantize_job(job_, ExistingRun::redo, context);
    }
    EXPECT_EQ(contents_of(job_.output.dir).at("model.safetensors"), healthy);
  }
}

TEST_F(Quarantine, WhatIsKeptIsTheOriginalInTheStoredType) {
  job_.quantize.ladder.fallback = Fallback::keep;
  test::run_job(job_);
  damage_statistics(spoil_with_nan);
  test::run_job(job_, ExistingRun::resume);
  const auto weight =
      model::SafetensorsFolder(job_.model.path).read_matrix(kDown + ".weight", 24, 36);
  const auto found = packed(kDown, 24, 36);
  for (std::size_t i = 0; i < weight.size(); ++i) {
    EXPECT_EQ(found.data()[i], rounded_to(job_.output.dtype, weight.data()[i]));
  }
}

TEST_F(Quarantine, FailNamesTheLayersWhenAllOthersAreSolved) {
  job_.quantize.ladder.fallback = Fallback::fail;
  test::run_job(job_);
  damage_statistics(take_tokens);
  fs::remove(job_.runtime.work_dir / "solved/block-00002/mlp.up_proj.h5");
  for (const std::size_t ranks : {1, 3}) {
    EXPECT_THAT([&] { test::run_job_on_ranks(job_, ExistingRun::resume, ranks, 1); },
                ThrowsMessage<InputError>(AllOf(
                    HasSubstr(kDown + ": dampening 0.05 failed (calibration saw no token"),
                    HasSubstr("quantize.ladder.fallback is fail"), HasSubstr("tessera redo"))));
  }
  EXPECT_TRUE(fs::exists(job_.runtime.work_dir / "solved/block-00002/mlp.up_proj.h5"));
  EXPECT_FALSE(fs::exists(job_.output.dir));

  job_.quantize.ladder.fallback = Fallback::plain;
  EXPECT_THROW(test::run_job(job_, ExistingRun::resume), InputError);  // another job, until redone
  Threads threads(1);
  SilentLog log;
  cluster::SelfCommunicator alone;
  StopFlag stop;
  jobs::RunContext context{threads, log, alone, stop, {}, ".*"};
  EXPECT_EQ(jobs::exit_code(jobs::run_quantize_job(job_, ExistingRun::redo, context)), 3);
}

TEST_F(Quarantine, TooFewTokensGoStraightToTheLastRung) {
  job_.quantize.ladder.min_tokens = 134;  // there are 133
  const auto report = test::run_job(job_);
  EXPECT_EQ(num_degraded(report), 21u);
  EXPECT_EQ(report.layers.front().ladder.size(), 2u);
  EXPECT_EQ(report.layers.front().ladder.front().problem,
            "calibration saw 133 tokens of block 0, and quantize.ladder.min_tokens is 134");
  start_over();
  job_.quantize.ladder.min_tokens = 133;
  EXPECT_EQ(jobs::exit_code(test::run_job(job_)), 0);
}

/// With two centroids for eight weights, what the column pass pushes on is more than codebooks
/// hold.
TEST_F(Quarantine, AResultWorseThanWithoutTheHessianIsNone) {
  job_.quantize.vptq.vector_len = 8;
  job_.quantize.vptq.num_centroids = 2;
  job_.quantize.vptq.refine_rounds = 0;
  job_.quantize.dampening_frac = 0.001;
  job_.quantize.ladder.dampening.clear();
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 3);
  EXPECT_GT(num_degraded(report), 0u);
  for (const auto& row : report.layers) {
    if (!row.is_degraded) continue;
    EXPECT_THAT(row.ladder.front().problem,
                HasSubstr(fmt::format("is above the {:.4g} of the layer solved without its Hessian",
                                      row.proxy_error)));
    EXPECT_EQ(row.ladder.back().tried, "plain");
  }
}

TEST_F(Quarantine, WhereNothingCanBeQuantizedNothingIsMade) {
  starve();
  job_.quantize.ladder = {{}, Fallback::keep, 1};
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("no layer is quantized (all 21 failed"),
                                              HasSubstr("not positive definite"))));
  EXPECT_FALSE(fs::exists(job_.output.dir));
}

TEST_F(Quarantine, ConstantAndZeroWeightsAreNoFailure) {
  for (const bool makes_integers : {false, true}) {
    job_ = test::write_tiny_job(folder_ / (makes_integers ? "integers" : "codebooks"), kPackable);
    test::change_tensor(job_.model.path, "model.layers.0.mlp.up_proj.weight",
                        [](std::span<float> values) { std::ranges::fill(values, 0.0F); });
    test::change_tensor(job_.model.path, "model.layers.1.mlp.gate_proj.weight",
                        [](std::span<float> values) { std::ranges::fill(values, 0.25F); });
    if (makes_integers) {
      job_.quantize.method = jobs::Method::gptq;
      job_.quantize.gptq.group_size = 16;
      job_.output.format = jobs::OutputFormat::compressed_tensors;
    }
    const auto report = test::run_job(job_);
    EXPECT_EQ(jobs::exit_code(report), 0);
    const auto zero = packed("model.layers.0.mlp.up_proj", 64, 32);
    for (const float value : zero.span()) EXPECT_EQ(value, 0);
    const auto constant = packed("model.layers.1.mlp.gate_proj", 64, 32);
    for (const float value : constant.span()) EXPECT_NEAR(value, 0.25, 0.25 / 7);  // a step
  }
}

TEST_F(Quarantine, TheOutputSaysWhichLayersAreDegraded) {
  test::run_job(job_);
  EXPECT_THAT(format::read_manifest(job_.output.dir).degraded, IsEmpty());
  damage_statistics(make_indefinite);
  const auto report = test::run_job(job_, ExistingRun::resume);
  const auto degraded = format::read_manifest(job_.output.dir).degraded;
  ASSERT_EQ(degraded.size(), 1u);
  EXPECT_THAT(degraded.at(kDown), AllOf(HasSubstr("dampening 1 failed"), HasSubstr("plain held")));
  EXPECT_THAT(contents_of(job_.output.dir).at("README.md"),
              AllOf(HasSubstr("## Degraded layers"), HasSubstr("`" + kDown + "`")));
  const auto work = contents_of(job_.runtime.work_dir);
  EXPECT_THAT(work.at("report.html"), HasSubstr("Layers that failed at first"));
  EXPECT_THAT(work.at("quant_log.csv"), HasSubstr("dampening 0.2 failed"));
  const auto again = test::run_job(job_, ExistingRun::resume);
  EXPECT_TRUE(again.was_finished_before);
  EXPECT_EQ(jobs::exit_code(again), 3);
}

TEST_F(Quarantine, OneAnswerOnAnyRanksAndWhereverTheRunIsKilled) {
  starve();
  job_.quantize.targets = {"mlp\\..*"};
  job_.quantize.ladder.dampening.clear();
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  for (const std::size_t ranks : {2, 3}) {
    start_over();
    test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, 1);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << ranks << " ranks";
  }
  start_over();
  int num_stopped = 0;
  for (int event = 2;; event += 3, ++num_stopped) {
    if (test::run_until_event(job_, 1 + static_cast<std::size_t>(event) % 3, event)) break;
  }
  EXPECT_GT(num_stopped, 3);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

}  // namespace
}  // namespace tessera
