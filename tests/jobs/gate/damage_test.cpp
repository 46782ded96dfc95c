// A real model's output in each format, damaged in every way: the gate names what is wrong before
// it is published, `tessera verify` afterwards. Digests of files are made again after the damage,
// so that it is the deeper check that has to notice.
#include "tests/jobs/gate/damage.hpp"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/self_communicator.hpp"
#include "cluster/thread_communicator.hpp"
#include "core/atomic_file.hpp"
#include "format/manifest.hpp"
#include "jobs/gate/check_output.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/stages/prepare.hpp"
#include "jobs/stages/publish.hpp"
#include "jobs/verify.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_data.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kModel = "models/llama2xs";

QuantizeJob job_on(const fs::path& model, const fs::path& folder, OutputFormat format) {
  test::write_random_tokens(folder / "calibration.h5", 8 * 32, 512, 1);
  test::write_random_tokens(folder / "evaluation.h5", 2 * 32, 512, 2);
  QuantizeJob job;
  job.model.path = model;
  job.calibration.tokens = folder / "calibration.h5";
  job.calibration.num_samples = 8;
  job.calibration.max_seq_length = 32;
  job.calibration.num_shards = 2;
  if (format == OutputFormat::vptq) {
    job.quantize.vptq.vector_len = 4;
    job.quantize.vptq.num_centroids = 64;
    job.quantize.vptq.kmeans_iterations = 3;
    job.quantize.vptq.refine_rounds = 0;
    job.residual.bits = 4;
  } else {
    job.quantize.method = Method::aweq;
    job.quantize.aweq.integers.group_size = 32;
  }
  job.evaluation.tokens = folder / "evaluation.h5";
  job.evaluation.context_length = 32;
  job.output.dir = folder / "out";
  job.output.format = format;
  job.output.max_shard_size = 60'000;
  job.runtime.work_dir = folder / "work";
  return job;
}

/// What one run made, and the run itself where its gate would look at OUTPUT.partial.
class MadeOnce {
 public:
  MadeOnce(const fs::path& model, OutputFormat format)
      : job_(job_on(model, folder_.path(), format)) {
    report_ = test::run_job(job_);
    fs::copy(job_.output.dir, published(), fs::copy_options::recursive);
    work_ = std::make_unique<WorkFolder>(job_.runtime.work_dir, log_);
    prepared_ = std::make_unique<PreparedRun>(open_inputs(run_, job_, *work_, ExistingRun::resume));
    prepare(run_, *prepared_, *work_, ExistingRun::resume);
    assembled_ = assemble(run_, *prepared_, *work_);
    fs::copy(partial(), assembled(), fs::copy_options::recursive);
  }
  fs::path published() const { return folder_ / "published"; }
  fs::path assembled() const { return folder_ / "assembled"; }
  fs::path partial() const { return partial_folder(job_.output.dir); }
  const RunReport& report() const { return report_; }

  /// OUTPUT.partial as it was assembled, damaged as if it had been written so.
  AssembledModel& damaged(const test::Damage& damage) {
    fs::remove_all(partial());
    fs::copy(assembled(), partial(), fs::copy_options::recursive);
    damage.make(partial());
    for (auto& [file, digest] : assembled_.weight_digests) {
      if (fs::exists(partial() / file)) digest = format::record_of(partial() / file).sha256;
    }
    return assembled_;
  }
  Verdict gate(const AssembledModel& model) {
    return check_output(run_, *prepared_, model, *work_).verdict;
  }
  RunReport publish_damaged(const AssembledModel& model) {
    const auto checked = check_output(run_, *prepared_, model, *work_);
    const auto scores = evaluate(run_, *prepared_, model, checked, *work_);
    return publish(run_, *prepared_, model, checked, scores, *work_);
  }

 private:
  test::TemporaryFolder folder_;
  QuantizeJob job_;
  RunReport report_;
  SilentLog log_;
  Threads threads_{1};
  cluster::SelfCommunicator alone_;
  StopFlag stop_;
  RunContext run_{threads_, log_, alone_, stop_};
  std::unique_ptr<WorkFolder> work_;
  std::unique_ptr<PreparedRun> prepared_;
  AssembledModel assembled_;
};

/// Whether the check has a finding whose name begins so.
bool names(const Verdict& verdict, const std::string& check, const std::string& name) {
  for (const GateCheck& row : verdict.checks()) {
    if (row.name != check) continue;
    for (const GateFinding& finding : row.findings) {
      if (finding.name.starts_with(name) && finding.problem.find(name) != std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

class DamagedOutput : public testing::TestWithParam<OutputFormat> {
 protected:
  static void TearDownTestSuite() { made_.clear(); }
  void SetUp() override {
    const auto model = test::test_data(kModel);
    if (!model) GTEST_SKIP() << test::missing_data(kModel);
    auto& made = made_[GetParam()];
    if (!made) made = std::make_unique<MadeOnce>(*model, GetParam());
  }
  MadeOnce& made() { return *made_.at(GetParam()); }

  fs::path copy_of_output() {
    fs::remove_all(folder_ / "out");
    fs::copy(made().published(), folder_ / "out", fs::copy_options::recursive);
    return folder_ / "out";
  }
  static void make_digests_again(const fs::path& folder) {
    format::Manifest manifest = format::read_manifest(folder);
    manifest.files.clear();
    for (const std::string& file : format::files_below(folder)) {
      manifest.files[file] = format::record_of(folder / file);
    }
    format::write_manifest(folder, manifest);
  }

  test::TemporaryFolder folder_;
  static std::map<OutputFormat, std::unique_ptr<MadeOnce>> made_;
};
std::map<OutputFormat, std::unique_ptr<MadeOnce>> DamagedOutput::made_;
std::string name_of_format(const testing::TestParamInfo<OutputFormat>& param) {
  const char* const names[] = {"Vptq", "CompressedTensors", "Gptq"};
  return names[param.index];
}
INSTANTIATE_TEST_SUITE_P(Format, DamagedOutput,
                         testing::Values(OutputFormat::vptq, OutputFormat::compressed_tensors,
                                         OutputFormat::gptq),
                         name_of_format);

TEST_P(DamagedOutput, WhatWasMadePasses) {
  EXPECT_TRUE(made().report().is_published());
  const Verification found = verify(made().published());
  EXPECT_THAT(found.findings, IsEmpty());
  EXPECT_THAT(found.remarks, IsEmpty());
  const auto verdict = verdict_from_json(
      JsonValue::parse(read_text_file(made().published() / kGateFile), kGateFile), kGateFile);
  EXPECT_TRUE(verdict.has_passed());
  EXPECT_EQ(verdict.num_looked_at("layers"), 35u);     // 5 blocks of 7
  EXPECT_GE(verdict.num_looked_at("originals"), 12u);  // embeddings, 11 norms, biases
  for (const GateCheck& check : verdict.checks()) {
    EXPECT_THAT(check.not_made, IsEmpty()) << check.name;
    if (check.name != "contents" && check.name != "residuals") {
      EXPECT_GT(check.num_looked_at, 0u) << check.name;
    }
  }
  EXPECT_TRUE(
      made().gate(made().damaged({"nothing", "", "", [](const fs::path&) {}})).has_passed());
}

TEST_P(DamagedOutput, VerifyNamesIt) {
  for (const test::Damage& damage : test::damages(GetParam())) {
    SCOPED_TRACE(damage.name);
    const fs::path output = copy_of_output();
    damage.make(output);
    make_digests_again(output);
    const Verification found = verify(output);
    EXPECT_FALSE(found.is_sound());
    EXPECT_TRUE(names(found.verdict, damage.check, damage.named))
        << to_json(found.verdict).to_text(1);
    EXPECT_FALSE(names(found.verdict, "digests", ""));
  }
}

TEST_P(DamagedOutput, TheGateNamesIt) {
  for (const test::Damage& damage : test::damages(GetParam())) {
    SCOPED_TRACE(damage.name);
    const Verdict verdict = made().gate(made().damaged(damage));
    EXPECT_FALSE(verdict.has_passed());
    const bool is_own = !damage.check_of_gate.empty();
    EXPECT_TRUE(names(verdict, is_own ? damage.check_of_gate : damage.check,
                      is_own ? damage.named_by_gate : damage.named))
        << to_json(verdict).to_text(1);
  }
}

TEST_P(DamagedOutput, AWrongDigestIsNamedByBoth) {
  const fs::path output = copy_of_output();
  format::Manifest manifest = format::read_manifest(output);
  const std::string shard = test::file_of(output, "model.norm.weight").filename().string();
  manifest.files.at(shard).sha256 = std::string(64, '0');
  format::write_manifest(output, manifest);
  EXPECT_TRUE(names(verify(output).verdict, "digests", shard));

  AssembledModel& model = made().damaged({"nothing", "", "", [](const fs::path&) {}});
  model.weight_digests.at(shard) = std::string(64, '0');
  EXPECT_TRUE(names(made().gate(model), "digests", shard));
}

TEST_P(DamagedOutput, TheConfigIsComparedWithTheOriginalsToo) {
  const Verdict verdict = made().gate(
      made().damaged({"wrong config", "", "", [](const fs::path& folder) {
                        test::replace_text(folder / "config.json", "\"rms_norm_eps\": 1e-05,", "");
                      }}));
  EXPECT_THAT(verdict.sentences(),
              Contains("config.json: rms_norm_eps is missing (the original's is 1e-05)."));
}

TEST_P(DamagedOutput, ARefusedOneStaysPartialAndSaysWhy) {
  const auto all = test::damages(GetParam());
  const RunReport report = made().publish_damaged(made().damaged(all.back()));
  EXPECT_EQ(exit_code(report), 4);
  EXPECT_FALSE(report.quantized.has_value());  // nothing is scored that is not what was solved
  EXPECT_THAT(report.gate_problems, Contains(HasSubstr(all.back().named_by_gate)));
  EXPECT_EQ(report.model_dir(), made().partial().string());
  for (const fs::path& folder : {made().partial(), fs::path(report.work_dir)}) {
    const auto verdict = verdict_from_json(
        JsonValue::parse(read_text_file(folder / kGateFile), kGateFile), kGateFile);
    EXPECT_TRUE(names(verdict, "layers", all.back().named_by_gate));
  }
  EXPECT_FALSE(fs::exists(made().partial() / format::kManifestName));
}

TEST_P(DamagedOutput, AVerdictThatRefusesOrIsGoneIsNamed) {
  const fs::path output = copy_of_output();
  fs::remove(output / kGateFile);
  make_digests_again(output);
  EXPECT_TRUE(names(verify(output).verdict, "gate", kGateFile));
  Verdict refused;
  refused.add("layers", "a", "a is bad.");
  write_file_atomically(output / kGateFile, to_json(refused).to_text());
  make_digests_again(output);
  EXPECT_TRUE(names(verify(output).verdict, "gate", kGateFile));
}

}  // namespace
}  // namespace tessera::jobs
