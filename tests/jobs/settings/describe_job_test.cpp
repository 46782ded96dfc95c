#include "jobs/settings/describe_job.hpp"

#include <gmock/gmock.h>

#include "tests/jobs/settings/sample_job.hpp"

namespace tessera::jobs {
namespace {

using testing::HasSubstr;

TEST(DescribeJob, AMethodWantsAFormatForWhatItMakes) {
  EXPECT_EQ(message_for("quantize: {method: aweq}"),
            "a.yaml:4: output.format is vptq (the method makes integers). Choose "
            "compressed-tensors or gptq.");
  EXPECT_THAT(
      message_for("quantize: {method: gptq, equalize: true}"),
      HasSubstr(
          "quantize.equalize is true (the methods gptq and rtn leave the model as it is). Use the "
          "method aweq"));
  EXPECT_THAT(message_for("quantize: {rtn: {rounding: gptq}}"),
              HasSubstr("quantize.rtn.rounding is gptq"));
}

TEST(DescribeJob, ABatchSystemIsAskedForWhatItCanGive) {
  EXPECT_EQ(message_for("slurm: {nodes: 2, time: '08:00:00'}\n"), "no problem");
  EXPECT_EQ(message_for("slurm: {nodes: 0}\n"),
            "a.yaml:7: slurm.nodes is 0 (it must be at least 1). Raise it.");
}

TEST(DescribeJob, AnEmptyJobLacksWhatIsRequired) {
  EXPECT_EQ(message_for("", ""),
            "a.yaml:1: model.path is missing (it has no default). Add it.\n"
            "a.yaml:1: calibration.text is missing (there is nothing to calibrate on). Name a text "
            "file, or a token file in calibration.tokens.\n"
            "a.yaml:1: output.dir is missing (it has no default). Add it.\n"
            "a.yaml:1: runtime.work_dir is missing (it has no default). Add it.");
}

TEST(DescribeJob, NamesOfOtherToolsAreUnderstood) {
  const std::string more = R"(
quantize:
  percdamp: 0.02
  kseed: 5
  vptq: {group_num: 2, npercent: 1, kiter: 7, vector_lens: 6}
evaluation: {text: t}
)";
  const auto job = job_from_text(kShortestJob + more, "a.yaml");
  EXPECT_EQ(job.quantize.dampening_frac, 0.02);
  EXPECT_EQ(job.quantize.seed, 5U);
  EXPECT_EQ(job.quantize.vptq.num_groups, 2);
  EXPECT_EQ(job.quantize.vptq.outlier_percent, 1);
  EXPECT_EQ(job.quantize.vptq.kmeans_iterations, 7);
  EXPECT_EQ(job.quantize.vptq.vector_len, 6);
}

TEST(DescribeJob, AKeyOfAnotherSectionIsPointedTo) {
  EXPECT_EQ(message_for("nsamples: 3\n"),
            "a.yaml:7: unknown key nsamples. Did you mean calibration.num_samples?");
  EXPECT_EQ(message_for("quantize: {vector_len: 4}\n"),
            "a.yaml:7: unknown key quantize.vector_len. Did you mean quantize.vptq.vector_len?");
}

TEST(DescribeJob, ReportsSixDifferentMistakesAtOnce) {
  const std::string job = R"(model:
  path: [a, b]
calibration:
  text: data/a.txt
  num_samples: -4
  max_seq_lenght: 512
quantize:
  method: awq
  dampening_frac: 1.5
  vptq:
    num_centroids: 300
    vector_len: four
output: {dir: o}
runtime: {work_dir: w}
)";
  EXPECT_EQ(message_for("", job),
            "a.yaml:2: model.path is a list (a path is wanted). Give one value.\n"
            "a.yaml:5: calibration.num_samples is -4 (it must be at least 1). Raise it.\n"
            "a.yaml:6: unknown key calibration.max_seq_lenght. Did you mean max_seq_length?\n"
            "a.yaml:8: quantize.method is awq (this version knows vptq, aweq, gptq, rtn). Did you "
            "mean aweq?\n"
            "a.yaml:9: quantize.dampening_frac is 1.5 (it must be between 0 and 1). Lower it.\n"
            "a.yaml:11: quantize.vptq.num_centroids is 300 (it must be a power of two from 2 to "
            "65536). Choose one of these; the nearest is 256.\n"
            "a.yaml:12: quantize.vptq.vector_len is four (a whole number is wanted). Write digits "
            "alone.");
}

}  // namespace
}  // namespace tessera::jobs
