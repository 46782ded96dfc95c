// A calibration sample whose activations overflow: named, its layers degraded, the sample left out
// of the blocks behind, and the same bytes whoever computes it.
#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/flat_statistics.hpp"
#include "calibration/tokens.hpp"
#include "cluster/self_communicator.hpp"
#include "core/error.hpp"
#include "jobs/merge.hpp"
#include "jobs/partial_calibration.hpp"
#include "jobs/work_folder.hpp"
#include "store/archive.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::size_t kLength = 19, kBadSample = 4, kBadToken = 3, kHidden = 24, kWord = 60;

/// Channel 0 carries the word 60 and nothing else, and block 0's MLP multiplies it until gate * up
/// is beyond floats. The word stands once in the calibration.
class NotFinite : public testing::Test {
 protected:
  void SetUp() override {
    const auto zero_row = [](std::span<float> values) {
      std::ranges::fill(values.subspan(0, kHidden), 0.0F);
    };
    const fs::path& model = job_.model.path;
    test::change_tensor(model, "model.embed_tokens.weight", [](std::span<float> values) {
      for (std::size_t word = 0; word < 61; ++word) values[word * kHidden] = word == kWord ? 4 : 0;
    });
    test::change_tensor(model, "model.layers.0.self_attn.o_proj.weight", zero_row);
    test::change_tensor(model, "model.layers.0.post_attention_layernorm.weight",
                        [](std::span<float> values) { values[0] = 1e3F; });
    for (const char* layer : {"gate_proj", "up_proj"}) {
      test::change_tensor(model, std::string("model.layers.0.mlp.") + layer + ".weight",
                          [](std::span<float> values) { values[0] = 1e16F; });
    }
    job_.output.dtype = StoredType::float32;
    calibration::TokenStream stream;
    store::load(folder_ / "calibration.h5", {{"kind", "tokens"}}, stream);
    for (auto& token : stream.tokens) token %= kWord;
    stream.tokens[kBadSample * kLength + kBadToken] = kWord;
    store::save(folder_ / "calibration.h5", {{"kind", "tokens"}, {"version", "1"}}, stream);
    job_.evaluation = {};
  }
  std::vector<std::string> degraded(const jobs::RunReport& report) const {
    std::vector<std::string> names;
    for (const auto& row : report.layers) {
      if (row.is_degraded) names.push_back(std::to_string(row.block) + " " + row.module);
    }
    return names;
  }
  std::vector<double> statistics(const std::string& file) const {
    SilentLog log;
    calibration::StatisticsSlab slab;
    jobs::WorkFolder(job_.runtime.work_dir, log).load(file, "statistics", slab);
    return slab.values;
  }
  /// One calibration shard into a folder of its own.
  fs::path calibrate(int shard) const {
    auto job = job_;
    job.calibration.only_shards = {shard};
    job.runtime.work_dir = folder_ / ("part-" + std::to_string(shard));
    SilentLog log;
    Threads threads(1);
    cluster::SelfCommunicator alone;
    StopFlag stop;
    jobs::RunContext context{threads, log, alone, stop};
    jobs::run_partial_calibration(job, ExistingRun::resume, context);
    return job.runtime.work_dir;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
};

const std::string kWhere =
    "the mlp_hidden of block 0 is inf at channel 0 for token 3 of calibration sample 4";

TEST_F(NotFinite, NamesTheSampleAndDegradesWhatReadIt) {
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 3);
  EXPECT_THAT(degraded(report), ElementsAre("0 mlp.down_proj"));
  const auto& row = report.layers[6];
  ASSERT_EQ(row.module, "mlp.down_proj");
  ASSERT_EQ(row.ladder.size(), 2u);
  EXPECT_EQ(row.ladder[0].problem, kWhere);
  EXPECT_EQ(row.ladder[1].tried, "plain");
  for (const auto& layer : report.layers) EXPECT_TRUE(std::isfinite(layer.proxy_error));
}

/// Behind block 0 the statistics are those of a job that never had the sample, number for number.
TEST_F(NotFinite, LaterBlocksAreCalibratedWithoutTheSample) {
  job_.calibration.num_samples = 5;  // the bad one is the last, alone in the last shard
  test::run_job(job_);
  std::map<std::string, std::vector<double>> with;
  const std::vector<std::string> files = {
      "calibration/block-00001/statistics-attention_input-00000-of-00001.h5",
      "calibration/block-00001/statistics-mlp_hidden-00000-of-00001.h5",
      "calibration/block-00002/statistics-mlp_input-00000-of-00001.h5"};
  for (const std::string& file : files) with[file] = statistics(file);
  start_over();
  job_.calibration.num_samples = 4;
  job_.calibration.num_shards = 2;
  test::run_job(job_);
  for (const std::string& file : files) EXPECT_EQ(with.at(file), statistics(file)) << file;
}

TEST_F(NotFinite, OneAnswerOnAnyRanksAndWhereverTheRunIsKilled) {
  test::run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(job_.output.dir);
  for (const std::size_t ranks : {2, 3}) {
    start_over();
    test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, 1);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << ranks << " ranks";
  }
  start_over();
  for (int event = 2;; event += 3) {
    if (test::run_until_event(job_, 1 + static_cast<std::size_t>(event) % 3, event)) break;
  }
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

TEST_F(NotFinite, WhereNoSampleIsLeftAllLayersBehindAreDegraded) {
  calibration::TokenStream stream;
  store::load(folder_ / "calibration.h5", {{"kind", "tokens"}}, stream);
  for (std::size_t i = 0; i < stream.tokens.size(); i += kLength) stream.tokens[i] = kWord;
  store::save(folder_ / "calibration.h5", {{"kind", "tokens"}, {"version", "1"}}, stream);
  const auto report = test::run_job(job_);
  EXPECT_EQ(degraded(report).size(), 15u);  // down_proj and two blocks
  EXPECT_EQ(report.layers.back().ladder[0].problem, "calibration saw no token of block 2");
}

TEST_F(NotFinite, IsKeptWhenShardsAreMerged) {
  const auto expected = [&] {
    test::run_job(job_);
    auto files = contents_of(job_.output.dir);
    start_over();
    return files;
  }();
  const std::vector<fs::path> folders = {calibrate(0), calibrate(1), calibrate(2)};
  SilentLog log;
  jobs::merge_calibrations(folders, job_.runtime.work_dir, log);
  EXPECT_EQ(jobs::exit_code(test::run_job(job_, ExistingRun::resume)), 3);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

TEST_F(NotFinite, WeightsThatAreSoEndTheRun) {
  test::change_tensor(job_.model.path, "model.layers.1.mlp.up_proj.weight",
                      [](std::span<float> values) { values[40] = std::nanf(""); });
  EXPECT_THAT([&] { test::run_job(job_); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("model.layers.1.mlp.up_proj.weight"),
                                              HasSubstr("NaN at row 1, column 16"))));
  EXPECT_FALSE(fs::exists(job_.output.dir));
}

}  // namespace
}  // namespace tessera
