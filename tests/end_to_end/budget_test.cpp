// Jobs with a budget for the bits of all layers: kept, the best of its kind, one answer for every
// number of ranks, wherever stopped.
#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "cluster/thread_communicator.hpp"
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

/// Asks to stop when the stage has told its progress @p nth times.
class AllocateLog final : public Log {
 public:
  AllocateLog(int nth, StopFlag& stop) : left_(nth), stop_(stop) {}
  void info(const std::string&) override {}
  void warning(const std::string&) override {}
  void detail(const std::string&) override {}
  void progress(const Progress& progress) override {
    if (progress.stage == "allocate" && --left_ == 0) stop_.request("the test wants it");
  }

 private:
  int left_;
  StopFlag& stop_;
};

class Budget : public testing::Test {
 protected:
  Budget() {
    auto& budget = job_.quantize.budget;
    budget.bits_per_weight = 3.6;
    for (const int size : {2, 4, 8, 32}) budget.candidates.emplace_back().num_centroids = size;
    budget.depth_groups = 2;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  static double loss(const jobs::RunReport& report) {
    double sum = 0;
    for (const auto& layer : report.layers) sum += layer.allocated.loss;
    return sum;
  }
  /// Runs on @p ranks until the stage has spoken @p times; false where it speaks less often.
  bool stop_in_stage(std::size_t ranks, int times) {
    StopFlag stop;
    try {
      cluster::run_as_threads(ranks, stop, [&](cluster::Communicator& comm) {
        SilentLog silent;
        AllocateLog stopping(times, stop);
        Threads threads(1);
        threads.poll_with([&] { stop.check(); });
        jobs::RunContext context{threads, comm.is_first() ? static_cast<Log&>(stopping) : silent,
                                 comm, stop};
        jobs::run_quantize_job(job_, ExistingRun::resume, context);
      });
      return false;
    } catch (const Interrupted&) {
      return true;
    }
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

TEST_F(Budget, IsKeptAndItsChoicesAreReported) {
  const auto report = test::run_job(job_);
  EXPECT_LE(report.bits_per_weight, 3.6);
  EXPECT_GT(report.bits_per_weight, 3.3) << "bits are left over";
  std::set<std::string> recipes;
  for (const auto& layer : report.layers) recipes.insert(layer.allocated.recipe);
  EXPECT_GT(recipes.size(), 1U);
  for (const std::string& recipe : recipes) EXPECT_THAT(recipe, testing::StartsWith("v=4 K="));
  EXPECT_TRUE(std::ranges::any_of(report.stages,
                                  [](const auto& stage) { return stage.name == "allocate"; }));
  const auto files = contents_of(job_.runtime.work_dir);
  EXPECT_THAT(files.at("report.html"), HasSubstr("Bits where they pay"));
  EXPECT_THAT(files.at("quant_log.csv"), HasSubstr(",v=4 K="));
  EXPECT_THAT(files.at("report.json"), HasSubstr("predicted_own_loss"));
}

// The method's own recipe in every layer is one of the choices, so none can be predicted worse.
TEST_F(Budget, OfTheUniformModelIsNoWorseThanIt) {
  auto uniform = job_;
  uniform.quantize.budget = {};
  const double bits = test::run_job(uniform).bits_per_weight;
  for (const auto measure : {jobs::LossMeasure::divergence, jobs::LossMeasure::output_error,
                             jobs::LossMeasure::relative_error}) {
    start_over();
    job_.quantize.budget.bits_per_weight = bits + 1e-6;
    job_.quantize.budget.measure = measure;
    const auto report = test::run_job(job_);
    EXPECT_LE(report.bits_per_weight, bits + 1e-6);
    double own_loss = 0;
    for (const auto& layer : report.layers) own_loss += layer.allocated.own_loss;
    EXPECT_LE(loss(report), own_loss * (1 + 1e-12)) << name_of_value(measure);
    EXPECT_EQ(fs::exists(job_.runtime.work_dir / "allocation/divergence-00000.h5"),
              measure == jobs::LossMeasure::divergence);
  }
}

TEST_F(Budget, OfOneLayerBuysTheBestThatItPays) {
  job_.quantize.targets = {"layers\\.1\\.mlp\\.down_proj"};
  const auto recipe_at = [&](double bits) {
    start_over();
    job_.quantize.budget.bits_per_weight = bits;
    return test::run_job(job_).layers.at(0).allocated.recipe;
  };
  // 24 x 36 weights: 6 rows of 36 indices in whole 32 bits, 2 x 36 norms and K vectors of 4 halves
  const auto bits_of = [](int index_bits, int size) {
    return (6 * 32 * ((36 * index_bits + 31) / 32) + 2 * 36 * 16 + size * 4 * 16) / 864.0;
  };
  EXPECT_EQ(recipe_at(bits_of(1, 2) + 1e-9), "v=4 K=2");
  EXPECT_EQ(recipe_at(bits_of(3, 8) + 1e-9), "v=4 K=8");
  EXPECT_EQ(recipe_at(bits_of(3, 8) - 2e-3), "v=4 K=4");
  EXPECT_EQ(recipe_at(32), "v=4 K=32");
}

TEST_F(Budget, BelowTheCheapestSaysTheLeastThatIsPossible) {
  job_.quantize.budget.bits_per_weight = 1;
  std::string text;
  try {
    test::run_job(job_);
  } catch (const InputError& error) {
    text = error.what();
  }
  EXPECT_THAT(text, HasSubstr("quantize.budget.bits_per_weight is 1 (the cheapest candidates"));
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir)) << "said before anything is calibrated";
  const auto at = text.find("take ");
  ASSERT_NE(at, std::string::npos) << text;
  job_.quantize.budget.bits_per_weight = std::stod(text.substr(at + 5));
  const auto report = test::run_job(job_);
  EXPECT_NEAR(report.bits_per_weight, job_.quantize.budget.bits_per_weight, 1.1e-4);
  for (const auto& layer : report.layers) EXPECT_EQ(layer.allocated.recipe, "v=4 K=2");
}

TEST_F(Budget, LeavesLayersWithAnOverrideAlone) {
  auto settings = job_.quantize.vptq;
  settings.num_res_centroids = 8;
  job_.quantize.overrides.push_back({"v_proj", settings});
  job_.quantize.budget.bits_per_weight = 4;
  const auto report = test::run_job(job_);
  EXPECT_LE(report.bits_per_weight, 4);
  for (const auto& layer : report.layers) {
    const bool is_own = layer.allocated.recipe == "v=4 K=16 Kr=8";
    EXPECT_EQ(is_own, layer.module == "self_attn.v_proj") << layer.module;
  }
}

TEST_F(Budget, CountsTheBytesOfResiduals) {
  job_ = test::write_tiny_job(folder_ / "even", {.hidden_size = 32, .intermediate_size = 40});
  for (const int size : {2, 4}) job_.quantize.budget.candidates.emplace_back().num_centroids = size;
  job_.residual.bits = 4;
  job_.quantize.budget.bits_per_weight = 4;
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(HasSubstr("the cheapest candidates of all layers take")));
  job_.quantize.budget.bits_per_weight = 32;
  const auto rich = test::run_job(job_);
  double weights = 0, residuals = 0;  // codes, a half for each row, ten bytes for each channel
  for (const auto& layer : rich.layers) {
    const auto in = static_cast<double>(layer.in_features);
    const auto out = static_cast<double>(layer.out_features);
    weights += in * out;
    residuals += 4 * in * out + 16 * out + 80 * in;
  }
  EXPECT_LT(residuals, 8.0 * static_cast<double>(rich.residual_bytes)) << "without its header";
  const auto bits_with = [&](double more) {
    start_over();
    job_.quantize.budget.bits_per_weight = rich.bits_per_weight + residuals / weights + more;
    return test::run_job(job_).bits_per_weight;
  };
  EXPECT_EQ(bits_with(1e-6), rich.bits_per_weight);
  EXPECT_LT(bits_with(-0.1), rich.bits_per_weight);
}

TEST_F(Budget, OfIntegersMixesBitsAndGroups) {
  job_.quantize.method = jobs::Method::gptq;
  job_.output.format = jobs::OutputFormat::compressed_tensors;
  job_.quantize.budget.candidates.clear();
  job_.quantize.budget.bits_per_weight = 5;
  const auto report = test::run_job(job_);
  EXPECT_LE(report.bits_per_weight, 5);
  EXPECT_GT(report.bits_per_weight, 4.5)
      << "shapes and padding are counted, and bits not left over";
  std::set<std::string> recipes;
  for (const auto& layer : report.layers) recipes.insert(layer.allocated.recipe);
  EXPECT_GT(recipes.size(), 1U);
  EXPECT_THAT(contents_of(job_.output.dir).at("config.json"), HasSubstr("group_1"));
}

TEST_F(Budget, GivesTheSameBytesOnEveryNumberOfRanksAndThreads) {
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  for (const std::size_t ranks : {1, 2, 3}) {
    start_over();
    test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, 3 - ranks / 2);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << ranks << " ranks";
  }
}

TEST_F(Budget, StoppedAnywhereInItsStageGivesTheSameBytes) {
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  // One rank speaks 22 times while recipes are measured, 3 times while divergences are.
  struct Stop {
    std::size_t ranks;
    int times;
    std::size_t resumed_on;
  };
  int num_stopped = 0;
  for (const Stop& stop : {Stop{1, 1, 3}, Stop{1, 9, 2}, Stop{1, 22, 1}, Stop{1, 24, 3},
                           Stop{2, 2, 1}, Stop{3, 1, 2}}) {
    start_over();
    num_stopped += stop_in_stage(stop.ranks, stop.times) ? 1 : 0;
    test::run_job_on_ranks(job_, ExistingRun::resume, stop.resumed_on, 1);
    ASSERT_TRUE(contents_of(job_.output.dir) == expected) << stop.ranks << ", " << stop.times;
  }
  EXPECT_GE(num_stopped, 5);
}

TEST_F(Budget, ChangedByARedoKeepsWhatWasMeasured) {
  test::run_job(job_);
  const fs::path measured = folder_ / "work/allocation/block-00001/mlp.up_proj.h5";
  const auto before = fs::last_write_time(measured);
  job_.quantize.budget.bits_per_weight = 3.2;
  Threads threads(1);
  SilentLog log;
  cluster::SelfCommunicator alone;
  StopFlag stop;
  jobs::RunContext context{threads, log, alone, stop, {}, ".*"};
  EXPECT_LE(jobs::run_quantize_job(job_, ExistingRun::redo, context).bits_per_weight, 3.2);
  EXPECT_EQ(fs::last_write_time(measured), before);
  const auto redone = contents_of(job_.output.dir);
  start_over();
  test::run_job(job_);
  EXPECT_TRUE(contents_of(job_.output.dir) == redone);
}

}  // namespace
}  // namespace tessera
