// A whole job on a model with random weights: what it makes, what it refuses, and that nothing but
// the job decides the bytes.
#include "tests/end_to_end/tiny_job.hpp"

#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/verify.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;
using test::run_job;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Key;
using testing::ThrowsMessage;
using testing::UnorderedElementsAre;

class TinyJob : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path());
  fs::path out() const { return folder_ / "out"; }
  /// The work folder without what tells of the attempt that is at it.
  std::map<std::string, std::string> work_of_the_run() const {
    auto files = contents_of(folder_ / "work");
    std::erase_if(files, [](const auto& file) {
      return file.first.starts_with("lock") || file.first.starts_with("ranks/");
    });
    return files;
  }
};

TEST_F(TinyJob, MakesACompleteOutputAndSaysWhatItDid) {
  const auto report = run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_EQ(report.layers.size(), 21u);
  EXPECT_EQ(report.layers.front().module, "self_attn.q_proj");
  EXPECT_EQ(report.layers.back().module, "mlp.down_proj");
  EXPECT_EQ(report.layers.back().in_features, 36u);
  EXPECT_EQ(report.layers.back().out_features, 24u);
  EXPECT_GT(report.bits_per_weight, 1.0);  // log2(16) / 4 for the indices alone
  EXPECT_GT(report.peak_memory_bytes, 0u);
  ASSERT_EQ(report.stages.size(), 6u);
  for (const auto& stage : report.stages) EXPECT_GT(stage.seconds, 0) << stage.name;
  for (const auto& row : report.layers) {
    EXPECT_GT(row.proxy_error, 0) << row.module;
    EXPECT_LT(row.proxy_error, 1) << row.module;  // all zeros would give 1
  }
  ASSERT_TRUE(report.original && report.quantized);
  EXPECT_EQ(report.original->num_windows, 3u);
  EXPECT_EQ(report.original->num_tokens, 3u * 16u);
  ASSERT_TRUE(report.divergence);
  EXPECT_GT(*report.divergence, 0);

  EXPECT_THAT(
      contents_of(out()),
      UnorderedElementsAre(Key("config.json"), Key("model.safetensors"), Key("README.md"),
                           Key("tokenizer.json"), Key("GATE.json"), Key("tessera_manifest.json")));
  EXPECT_THAT(jobs::verify_output(out()).findings, IsEmpty());
  EXPECT_FALSE(fs::exists(folder_ / "out.partial"));
  EXPECT_THAT(contents_of(folder_ / "work"),
              IsSupersetOf({Key("job.yaml"), Key("journal.jsonl"), Key("quant_log.csv"),
                            Key("report.json"), Key("report.html"), Key("GATE.json"),
                            Key("calibration/block-00002/statistics-mlp_hidden-00000-of-00001.h5"),
                            Key("solved/block-00002/mlp.down_proj.h5")}));
}

TEST_F(TinyJob, WithoutATextToScoreGivesNoPerplexity) {
  job_.evaluation = {};
  const auto report = run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_FALSE(report.original || report.quantized);
}

TEST_F(TinyJob, LeavesLayersAloneThatAreNotTargeted) {
  job_.quantize.targets = {"layers\\.1\\.mlp\\.down_proj"};
  const auto report = run_job(job_);
  ASSERT_EQ(report.layers.size(), 1u);
  EXPECT_EQ(report.layers[0].block, 1u);
  EXPECT_FALSE(fs::exists(folder_ / "work/calibration/block-00000"));
}

TEST_F(TinyJob, Trap13GivesTheSameBytesOnAnyNumberOfThreads) {
  run_job(job_, ExistingRun::refuse, 1);
  const auto expected = contents_of(out());
  for (const std::size_t threads : {2, 3, 7}) {
    job_.output.dir = folder_ / "out" / ".." / ("out" + std::to_string(threads));
    job_.runtime.work_dir = folder_ / ("work" + std::to_string(threads));
    job_.runtime.threads = static_cast<int>(threads);
    run_job(job_, ExistingRun::refuse, threads);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << threads << " threads";
  }
}

TEST_F(TinyJob, Trap06UsesEverySampleHoweverTheyAreCut) {
  for (const int shards : {1, 2, 7}) {
    job_.calibration.num_shards = shards;
    EXPECT_EQ(jobs::exit_code(run_job(job_, ExistingRun::discard)), 0) << shards;
  }
}

TEST_F(TinyJob, RefusesASecondRunSayingHowFarTheFirstGot) {
  run_job(job_);
  EXPECT_THAT([&] { run_job(job_); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("finished"), HasSubstr("--resume"))));
}

TEST_F(TinyJob, ResumingAFinishedRunChangesNothing) {
  const auto first = run_job(job_);
  const auto work = work_of_the_run();
  const auto written = fs::last_write_time(out() / "model.safetensors");
  const auto again = run_job(job_, ExistingRun::resume);
  EXPECT_TRUE(again.was_finished_before);
  EXPECT_EQ(again.quantized->perplexity, first.quantized->perplexity);
  EXPECT_EQ(again.layers.size(), first.layers.size());
  EXPECT_EQ(fs::last_write_time(out() / "model.safetensors"), written);
  EXPECT_TRUE(work_of_the_run() == work);
}

TEST_F(TinyJob, ResumingWithNothingThereStarts) {
  EXPECT_FALSE(run_job(job_, ExistingRun::resume).was_finished_before);
}

TEST_F(TinyJob, Trap01MakesTheSameBytesAgainFromWhatIsLeft) {
  run_job(job_);
  const auto expected = contents_of(out());
  const char* lost[] = {"solved/block-00001/mlp.gate_proj.h5",
                        "calibration/block-00001/statistics-mlp_hidden-00000-of-00001.h5",
                        "calibration", "solved", "evaluation"};
  for (const char* name : lost) {
    fs::remove_all(folder_ / "work" / name);
    fs::remove_all(out());
    EXPECT_FALSE(run_job(job_, ExistingRun::resume).was_finished_before);
    EXPECT_TRUE(contents_of(out()) == expected) << "without " << name;
  }
}

TEST_F(TinyJob, RefusesAChangedJobNamingTheKey) {
  run_job(job_);
  job_.quantize.vptq.num_centroids = 32;
  EXPECT_THAT(
      [&] { run_job(job_, ExistingRun::resume); },
      ThrowsMessage<InputError>(HasSubstr("quantize.vptq.num_centroids is 32 (the run had 16)")));
  EXPECT_EQ(jobs::exit_code(run_job(job_, ExistingRun::discard)), 0);
}

TEST_F(TinyJob, Trap08RefusesOtherTokensUnderTheSameName) {
  run_job(job_);
  test::write_random_tokens(folder_ / "calibration.h5", 7 * 19, 61, 3);
  EXPECT_THAT([&] { run_job(job_, ExistingRun::resume); },
              ThrowsMessage<InputError>(HasSubstr("the content of the calibration tokens")));
}

TEST_F(TinyJob, AcceptsAMovedModelAndOtherThreads) {
  run_job(job_);
  fs::rename(folder_ / "model", folder_ / "moved");
  job_.model.path = folder_ / "moved";
  job_.runtime.threads = 1;
  EXPECT_TRUE(run_job(job_, ExistingRun::resume, 1).was_finished_before);
}

TEST_F(TinyJob, Trap11HoldsBackWhatTheGateRefuses) {
  job_.evaluation.max_perplexity_ratio = 1e-3;  // the reader of a job allows 1 at least
  const auto refused = run_job(job_);
  EXPECT_EQ(jobs::exit_code(refused), 4);
  EXPECT_THAT(refused.gate_problems,
              testing::ElementsAre(HasSubstr("evaluation.max_perplexity_ratio")));
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_TRUE(fs::exists(folder_ / "out.partial/model.safetensors"));
  EXPECT_EQ(refused.model_dir(), (folder_ / "out.partial").string());

  job_.evaluation.max_perplexity_ratio = 100;
  EXPECT_EQ(jobs::exit_code(run_job(job_, ExistingRun::resume)), 0);
  EXPECT_TRUE(fs::exists(out()));
}

TEST_F(TinyJob, ADivergenceAboveTheLimitHoldsTheOutputBack) {
  job_.evaluation.max_divergence = 0;  // nothing quantized predicts alike
  const auto refused = run_job(job_);
  EXPECT_EQ(jobs::exit_code(refused), 4);
  EXPECT_THAT(refused.gate_problems, testing::ElementsAre(HasSubstr("evaluation.max_divergence")));
  EXPECT_FALSE(fs::exists(out()));
  job_.evaluation.max_divergence = *refused.divergence;
  const auto allowed = run_job(job_, ExistingRun::resume);
  EXPECT_EQ(jobs::exit_code(allowed), 0);
  EXPECT_EQ(allowed.divergence, refused.divergence);  // measured once
  job_.evaluation.max_divergence = 0;
  EXPECT_EQ(jobs::exit_code(run_job(job_, ExistingRun::resume)), 4);
}

TEST_F(TinyJob, ANarrowedGateLooksAtAFinishedRunAgain) {
  run_job(job_);
  job_.evaluation.max_perplexity_ratio = 1e-3;
  EXPECT_EQ(jobs::exit_code(run_job(job_, ExistingRun::resume)), 4);
}

TEST_F(TinyJob, SaysHowManyTokensThereAreAndAreWanted) {
  job_.calibration.num_samples = 100;
  EXPECT_THAT([&] { run_job(job_); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("138 tokens"), HasSubstr("100 samples"))));
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(TinyJob, SaysWhenTheTextToScoreIsTooShort) {
  job_.evaluation.context_length = 128;
  EXPECT_THAT([&] { run_job(job_); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("53 tokens"), HasSubstr("128"))));
}

TEST_F(TinyJob, RefusesAFolderThatIsNotOursBeforeAnythingIsWritten) {
  fs::create_directories(out());
  write_file_atomically(out() / "thesis.tex", "years");
  EXPECT_THROW(run_job(job_), InputError);
  EXPECT_FALSE(fs::exists(folder_ / "work"));
}

/// Overwrites one float of a tensor in model.safetensors; tensors lie where the header says.
void poison(const fs::path& model, const std::string& tensor, std::size_t element) {
  std::string bytes = read_text_file(model / "model.safetensors");
  std::size_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  const auto header = JsonValue::parse(bytes.substr(8, header_bytes), "header");
  const auto begin = header.at(tensor).at("data_offsets").items()[0].integer();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + 8 + header_bytes + begin + 4 * element, &nan, 4);
  write_file_atomically(model / "model.safetensors", bytes);
}

TEST_F(TinyJob, NamesTheTensorThatHoldsANaN) {
  poison(job_.model.path, "model.layers.1.mlp.up_proj.weight", 40);
  EXPECT_THAT([&] { run_job(job_); },
              ThrowsMessage<InputError>(HasSubstr("model.layers.1.mlp.up_proj.weight")));
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_FALSE(fs::exists(folder_ / "out.partial"));
}

}  // namespace
}  // namespace tessera
