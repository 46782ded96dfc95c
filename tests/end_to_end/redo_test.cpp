// Some layers solved again: the bytes of a job that had these settings from the start.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cluster/self_communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/stale_parts.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using test::EventLog;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

/// Keeps what is said.
class LinesLog final : public Log {
 public:
  std::vector<std::string> lines;
  void info(const std::string& text) override { lines.push_back(text); }
  void warning(const std::string& text) override { lines.push_back(text); }
  void detail(const std::string& text) override { lines.push_back(text); }
  void progress(const Progress&) override {}
};

bool contains(const std::vector<std::string>& lines, const std::string& text) {
  return std::ranges::any_of(lines,
                             [&](const std::string& line) { return line.starts_with(text); });
}

class Redo : public testing::Test {
 protected:
  static constexpr const char* kModule = "layers\\.1\\.mlp\\..*";

  void redo(const std::string& module) {
    SilentLog log;
    redo(module, log);
  }
  void redo(const std::string& module, Log& log) {
    Threads threads(1);
    cluster::SelfCommunicator alone;
    StopFlag stop;
    jobs::RunContext context{threads, log, alone, stop, {}, module};
    jobs::run_quantize_job(job_, ExistingRun::redo, context);
  }
  /// What a redo would do; nothing is changed by asking.
  jobs::StaleParts preview(const std::string& module) {
    const auto before = contents_of(folder_.path());
    Threads threads(1);
    SilentLog log;
    cluster::SelfCommunicator alone;
    StopFlag stop;
    jobs::RunContext context{threads, log, alone, stop, {}, module};
    const auto stale = jobs::preview_redo(context, job_);
    EXPECT_TRUE(contents_of(folder_.path()) == before);
    return stale;
  }
  /// Which file each name stands for: hard links share it.
  std::map<std::string, ino_t> inodes() const {
    std::map<std::string, ino_t> inode_of;
    for (const auto& [name, bytes] : contents_of(job_.output.dir)) {
      struct stat status {};
      if (::stat((job_.output.dir / name).c_str(), &status) != 0) throw Bug("a file that is there");
      if (name.ends_with(".safetensors")) inode_of[name] = status.st_ino;
    }
    return inode_of;
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

/// Other settings of the same sizes for one layer: one shard is packed, the others are linked.
TEST_F(Redo, TakesOverTheShardsThatDoNotChange) {
  job_.output.max_shard_size = 3000;
  const auto plain = job_;
  auto settings = job_.quantize.vptq;
  settings.refine_rounds = 2;
  const std::string layer = "layers\\.1\\.mlp\\.down_proj";
  job_.quantize.overrides.push_back({layer, settings});
  test::run_job(job_);
  const auto expected = contents_of(job_.output.dir);
  fs::remove_all(job_.output.dir);
  fs::remove_all(job_.runtime.work_dir);

  test::run_job_on_ranks(plain, ExistingRun::refuse, 2, 1);
  const auto before = inodes();
  ASSERT_GT(before.size(), 3u);
  const auto stale = preview(layer);
  ASSERT_THAT(stale.shards, AnyOf(SizeIs(1), SizeIs(2)));  // a layer may reach into a second one
  LinesLog log;
  redo(layer, log);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
  for (const auto& [name, inode] : inodes()) {
    const bool is_packed = std::ranges::count(stale.shards, name) > 0;
    EXPECT_EQ(inode != before.at(name), is_packed) << name;
    EXPECT_EQ(contains(log.lines, "packed " + name), is_packed) << name;
    EXPECT_EQ(contains(log.lines, name + " is that of the published output"), !is_packed) << name;
  }
  EXPECT_TRUE(contains(log.lines, "shards packed again: " + stale.shards.front()));
  EXPECT_TRUE(test::run_job(job_, ExistingRun::resume).was_finished_before);
}

TEST_F(Redo, PacksAPublishedShardAgainThatIsNoLongerWhatItWas) {
  job_.output.max_shard_size = 3000;
  test::run_job(job_);
  const auto expected = contents_of(job_.output.dir);
  const std::string torn = inodes().begin()->first;
  write_file_atomically(job_.output.dir / torn, "torn");
  LinesLog log;
  redo("layers\\.2\\.mlp\\.down_proj", log);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
  EXPECT_TRUE(contains(log.lines, "packed " + torn));
}

TEST_F(Redo, StoppedAnywhereGivesTheSameBytes) {
  job_.output.max_shard_size = 3000;
  const auto plain = job_;
  auto settings = job_.quantize.vptq;
  settings.refine_rounds = 2;
  job_.quantize.overrides.push_back({"down_proj", settings});
  test::run_job(job_);
  const auto expected = contents_of(job_.output.dir);
  for (int event = 4; event < 40; event += 7) {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
    test::run_job(plain);
    StopFlag stop;
    EventLog stopping(event, [&] { stop.request("the test wants it"); });
    Threads threads(1);
    threads.poll_with([&] { stop.check(); });
    cluster::SelfCommunicator alone;
    jobs::RunContext context{threads, stopping, alone, stop, {}, "down_proj"};
    try {
      jobs::run_quantize_job(job_, ExistingRun::redo, context);
    } catch (const Interrupted&) {
      redo("down_proj");
    }
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << "stopped at event " << event;
  }
}

TEST_F(Redo, NamesWhatDependsOnTheLayers) {
  job_.residual.bits = 8;
  job_.evaluation.max_perplexity_ratio = 100;
  test::run_job(job_);
  const auto stale = preview("layers\\.1\\.mlp\\.down_proj");
  EXPECT_THAT(stale.layers, ElementsAre("model.layers.1.mlp.down_proj"));
  EXPECT_THAT(stale.scales, IsEmpty());
  EXPECT_THAT(stale.shards, ElementsAre("model.safetensors"));
  EXPECT_THAT(stale.residuals, ElementsAre("decdec_residual.safetensors"));
  EXPECT_THAT(stale.scores,
              ElementsAre(HasSubstr("evaluation/divergence-"), HasSubstr("evaluation/quantized-")));
  EXPECT_THAT(stale.papers, Contains("the gate's verdict"));
  EXPECT_THAT(stale.kept,
              ElementsAre("the calibration of 3 blocks", "20 layers", "the score of the original"));
}

TEST_F(Redo, NamesTheScalesWhereAllLayersChange) {
  job_ = test::write_tiny_job(folder_ / "integers", {.hidden_size = 32,
                                                     .intermediate_size = 64,
                                                     .num_heads = 4,
                                                     .num_kv_heads = 4,
                                                     .num_blocks = 2});
  job_.quantize.method = jobs::Method::aweq;
  job_.quantize.aweq.integers.group_size = 16;
  job_.output.format = jobs::OutputFormat::compressed_tensors;
  test::run_job(job_);
  EXPECT_THAT(preview(".*").scales, IsEmpty());
  job_.quantize.aweq.equalize = solver::Equalize::aweq;
  EXPECT_THAT(preview(".*").scales,
              ElementsAre("equalized/block-00000.h5", "equalized/block-00001.h5"));
  EXPECT_THAT([&] { preview("down_proj"); },
              ThrowsMessage<InputError>(HasSubstr("quantize.aweq.equalize is aweq")));
}

TEST_F(Redo, OfNoRunPreviewsNothing) {
  EXPECT_THAT([&] { preview(".*"); }, ThrowsMessage<InputError>(HasSubstr("holds no run")));
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
