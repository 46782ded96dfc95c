// What a plan says beside what a run of the same job makes: output to the byte, scratch, and the
// bounds it keeps watch over.
#include "jobs/job_plan.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "jobs/journal.hpp"
#include "store/archive.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_data.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

/// Fails the test with what is warned of.
class NoWarnings final : public Log {
 public:
  void info(const std::string&) override {}
  void warning(const std::string& text) override {
    if (text.find("GPU") == std::string::npos) ADD_FAILURE() << text;
  }
  void detail(const std::string&) override {}
  void progress(const Progress&) override {}
};

JobPlan plan(const PlanRequest& request) {
  NoWarnings log;
  return plan_job(request, log);
}
PlanRequest request_for(const QuantizeJob& job, std::size_t num_ranks = 0,
                        std::size_t ranks_per_node = 0) {
  PlanRequest request;
  request.job = job;
  request.num_ranks = num_ranks;
  request.ranks_per_node = ranks_per_node;
  return request;
}
JobPlan plan(const QuantizeJob& job) {
  return plan(request_for(job));
}

/// Gives a token file digests as long as real ones.
void lengthen_digests(const fs::path& file) {
  calibration::TokenStream stream;
  store::load(file, {{"kind", "tokens"}}, stream);
  stream.text_digest = stream.tokenizer_digest = std::string(64, 'f');
  store::save(file, {{"kind", "tokens"}, {"version", "1"}}, stream);
}

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

/// Every file of the output is planned and no other; all but the papers, which quote scores, to the
/// byte.
void expect_as_made(const PlannedOutput& planned, const fs::path& output) {
  std::vector<std::string> made, named;
  for (const auto& [file, bytes] : test::contents_of(output)) made.push_back(file);
  for (const OutputFile& file : planned.files) {
    named.push_back(file.name);
    ASSERT_TRUE(fs::exists(output / file.name)) << file.name;
    const auto bytes = static_cast<double>(fs::file_size(output / file.name));
    const bool is_paper = file.name == "README.md" || file.name == "tessera_manifest.json" ||
                          file.name == "GATE.json";
    EXPECT_NEAR(static_cast<double>(file.bytes), bytes, is_paper ? 0.02 * bytes : 0) << file.name;
  }
  EXPECT_EQ(named, made);
  EXPECT_NEAR(static_cast<double>(planned.total_bytes()), static_cast<double>(bytes_below(output)),
              40);
}

class JobPlanTest : public testing::Test {
 protected:
  JobPlanTest() {
    lengthen_digests(folder_ / "calibration.h5");
    lengthen_digests(folder_ / "evaluation.h5");
  }
  void expect_plan_of_run() {
    const JobPlan planned = plan(job_);
    test::run_job(job_);
    expect_as_made(planned.output, job_.output.dir);
  }
  void make_integers(OutputFormat format, solver::Scheme scheme, Method method = Method::aweq) {
    job_.quantize.method = method;
    for (auto* settings : {&job_.quantize.aweq.integers, &job_.quantize.gptq, &job_.quantize.rtn}) {
      settings->group_size = 16;
      settings->scheme = scheme;
    }
    job_.quantize.aweq.bias_correction = solver::BiasCorrection::off;
    job_.output.format = format;
  }
  void use_model(const std::string& json) {
    fs::remove_all(job_.model.path);
    test::write_model_folder(job_.model.path, json);
  }

  test::TemporaryFolder folder_;
  QuantizeJob job_ = test::write_tiny_job(folder_.path(), {.hidden_size = 32,
                                                           .intermediate_size = 64,
                                                           .num_heads = 4,
                                                           .num_kv_heads = 4,
                                                           .num_blocks = 2});
};

TEST_F(JobPlanTest, CodebooksInSeveralFiles) {
  job_.output.max_shard_size = 5000;
  expect_plan_of_run();
  EXPECT_GE(plan(job_).output.files.size(), 8U);
}

TEST_F(JobPlanTest, CodebooksWithOutliersGroupsAndResidualCodebooks) {
  job_.quantize.vptq.num_res_centroids = 8;
  job_.quantize.vptq.outlier_percent = 13;
  job_.quantize.vptq.num_groups = 2;
  job_.quantize.vptq.num_outlier_centroids = 16;
  job_.output.store_tied_head = true;
  job_.output.dtype = StoredType::bfloat16;
  expect_plan_of_run();
}

TEST_F(JobPlanTest, LayersLeftAloneAndNothingScored) {
  job_.quantize.targets = {"down_proj"};
  job_.evaluation = {};
  expect_plan_of_run();
  EXPECT_EQ(plan(job_).memory.evaluate_bytes, 0U);
}

TEST_F(JobPlanTest, IntegersInEveryFormat) {
  for (const auto scheme : {solver::Scheme::w8a8, solver::Scheme::w4a16}) {
    make_integers(OutputFormat::compressed_tensors, scheme);
    expect_plan_of_run();
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  make_integers(OutputFormat::gptq, solver::Scheme::w3a16, Method::gptq);
  expect_plan_of_run();
}

TEST_F(JobPlanTest, RoundedToTheNearest) {
  make_integers(OutputFormat::compressed_tensors, solver::Scheme::w4a16, Method::rtn);
  expect_plan_of_run();
}

TEST_F(JobPlanTest, Residuals) {
  job_.residual.bits = 4;
  job_.residual.k_chunk = 200;
  expect_plan_of_run();
  EXPECT_GT(plan(job_).output.residual_bytes, 0U);
}

TEST_F(JobPlanTest, MixturesOfExperts) {
  use_model(test::tiny_mixture_json("Qwen2Moe"));
  expect_plan_of_run();
}

TEST_F(JobPlanTest, BiasesAndFusedLayers) {
  use_model(test::tiny_opt_json());
  expect_plan_of_run();
  fs::remove_all(job_.output.dir);
  fs::remove_all(job_.runtime.work_dir);
  use_model(test::tiny_phi3_json());
  expect_plan_of_run();
}

// Compared with a real work folder of a real small model: at the end it holds sums, layers and
// papers.
TEST_F(JobPlanTest, ScratchAndOutputOfARealModel) {
  const auto model = test::test_data("models/stories260K");
  if (!model) GTEST_SKIP() << test::missing_data("models/stories260K");
  const auto config = model::read_model_config(*model);
  test::write_random_tokens(folder_ / "calibration.h5", 8 * 64 + 1, config.vocab_size, 1);
  lengthen_digests(folder_ / "calibration.h5");
  job_.model.path = *model;
  job_.calibration.num_samples = 8;
  job_.calibration.max_seq_length = 64;
  job_.evaluation = {};
  const JobPlan planned = plan(job_);
  test::run_job(job_);
  expect_as_made(planned.output, job_.output.dir);
  const auto held = static_cast<double>(bytes_below(job_.runtime.work_dir));
  EXPECT_NEAR(static_cast<double>(planned.scratch.peak_bytes), held, 0.1 * held);
}

// From config.json alone the sizes are those that the weights' headers give.
TEST_F(JobPlanTest, WithoutWeightsConfigJsonIsEnough) {
  const JobPlan with = plan(job_);
  fs::remove(job_.model.path / "model.safetensors");
  const JobPlan without = plan(job_);
  EXPECT_FALSE(without.has_weights);
  EXPECT_THAT(without.remarks, Contains(AllOf(HasSubstr("has no weights yet"), HasSubstr("F32"))));
  EXPECT_EQ(without.output.weight_bytes, with.output.weight_bytes);
  EXPECT_EQ(without.scratch.peak_bytes, with.scratch.peak_bytes);
  EXPECT_EQ(without.host_memory_bytes, with.host_memory_bytes);
}

// Two ranks share three shards of one block: the first gives two partials, the second one, each
// without what it owns. Worked by hand: all slabs are whole inputs.
TEST_F(JobPlanTest, CountsWhatRanksHandEachOther) {
  EXPECT_EQ(plan(job_).network_bytes, 0U);
  // Inputs of 32, 32, 32 and 64 channels: n (n + 1) / 2 + 4 n + 2 numbers each.
  const std::uint64_t narrow = 32 * 33 / 2 + 4 * 32 + 2, wide = 64 * 65 / 2 + 4 * 64 + 2;
  // The widest goes to the first rank, the others to the second: those send 2 and 1 times.
  EXPECT_EQ(plan(request_for(job_, 2)).network_bytes, 8 * 2 * (2 * 3 * narrow + wide));
}

TEST_F(JobPlanTest, RanksComeFromSlurmOrTheCommandLine) {
  EXPECT_EQ(plan(job_).layout.num_ranks, 1U);
  job_.slurm.nodes = 2;
  job_.slurm.ntasks_per_node = 3;
  job_.slurm.cpus_per_task = 5;
  const JobPlan asked = plan(job_);
  EXPECT_EQ(asked.layout.num_ranks, 6U);
  EXPECT_EQ(asked.layout.num_nodes(), 2U);
  EXPECT_EQ(asked.layout.threads, 5U);
  EXPECT_THAT(asked.remarks, Contains(HasSubstr("3 of 6 ranks have no calibration shard")));
  const JobPlan given = plan(request_for(job_, 4, 4));
  EXPECT_EQ(given.layout.num_ranks, 4U);
  EXPECT_THAT(given.walltime.sbatch_lines,
              AllOf(Contains("#SBATCH --nodes=1"), Contains("#SBATCH --ntasks-per-node=4"),
                    Contains("#SBATCH --cpus-per-task=5")));
}

TEST_F(JobPlanTest, SaysWhatDoesNotFitAndWhatWould) {
  EXPECT_THAT(plan(job_).problems, IsEmpty());
  const std::uint64_t peak = plan(job_).host_memory_bytes;
  PlanRequest crowded = request_for(job_, 4, 4);
  crowded.node_memory = 2 * peak + peak / 2;
  const auto problems = plan(crowded).problems;
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0], AllOf(HasSubstr("4 ranks take"), HasSubstr("It fits with")));
  crowded.node_memory = 5 * peak;
  EXPECT_THAT(plan(crowded).problems, IsEmpty());
  job_.runtime.host_memory = 1000;
  job_.runtime.scratch = 2000;
  const JobPlan bound = plan(job_);
  EXPECT_THAT(bound.problems, Contains(HasSubstr("runtime.host_memory is 1.0 kB")));
  EXPECT_THAT(bound.problems,
              Contains(AllOf(HasSubstr("runtime.scratch is 2.0 kB"), HasSubstr("Allow 1MiB"))));
}

TEST_F(JobPlanTest, CountsTheAttemptsThatAWalltimeTakes) {
  job_.slurm.time = "00:00:02";
  job_.slurm.signal_seconds = 1;
  job_.slurm.max_attempts = 1;
  job_.calibration.num_samples = 7000;  // enough for more than a second on any table
  job_.calibration.max_seq_length = 128;
  const JobPlan planned = plan(job_);
  EXPECT_EQ(planned.walltime.num_attempts,
            static_cast<std::size_t>(std::ceil(planned.seconds.total())));
  EXPECT_THAT(planned.problems, Contains(HasSubstr("slurm.max_attempts is 1")));
}

// A run that took much longer than the table says makes every plan by it as much longer.
TEST_F(JobPlanTest, AFinishedRunIsBetterThanATable) {
  const JobPlan table = plan(job_);
  EXPECT_EQ(table.sources[1], kDefaultCluster);
  test::run_job(job_);
  Journal(job_.runtime.work_dir / "journal.jsonl")
      .append(JsonValue::object()
                  .set("stage", "calibrate")
                  .set("seconds", 100.0)
                  .set("peak_memory_bytes", 1));
  const JobPlan scaled = plan(job_);
  EXPECT_EQ(scaled.sources[1], job_.runtime.work_dir.string());
  NoWarnings log;
  const double measured = WorkFolder(job_.runtime.work_dir, log).seconds_of("calibrate");
  EXPECT_GE(measured, 100);
  EXPECT_NEAR(scaled.seconds[1], measured, 1e-6 * measured);

  QuantizeJob other = job_;
  other.runtime.work_dir = folder_ / "elsewhere";
  EXPECT_EQ(plan(other).sources[1], kDefaultCluster);
  PlanRequest like = request_for(other);
  like.like = job_.runtime.work_dir;
  EXPECT_NEAR(plan(like).seconds[1], measured, 1e-6 * measured);
  like.like = folder_ / "nowhere";
  EXPECT_THAT([&] { plan(like); }, ThrowsMessage<InputError>(HasSubstr("--like is")));
}

TEST_F(JobPlanTest, TheDocumentHasWhatScriptsRead) {
  const JsonValue document = to_json(plan(job_));
  for (const char* key : {"output_bytes", "scratch_bytes", "host_memory_bytes", "network_bytes"}) {
    EXPECT_GE(document.at(key).integer(), 0) << key;
  }
  EXPECT_EQ(document.at("device_memory_bytes").integer(), 0);
  double sum = 0;
  for (const char* stage : kPlannedStages) sum += document.at("seconds").at(stage).number();
  EXPECT_NEAR(document.at("seconds").at("total").number(), sum, 1e-9 * sum);
}

}  // namespace
}  // namespace tessera::jobs
