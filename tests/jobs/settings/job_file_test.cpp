#include "jobs/settings/job_file.hpp"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/jobs/settings/sample_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(JobFile, IsReadWithOptionsOverItAndNotes) {
  const test::TemporaryFolder folder;
  const auto path = folder / "job.yaml";
  std::ofstream(path) << kShortestJob << "quantize: {vptq: {kiter: 9}}\n";
  const auto file = read_job(path, std::vector<std::string>{"quantize.vptq.vector_len=4"});
  EXPECT_EQ(file.job.quantize.vptq.vector_len, 4);
  EXPECT_EQ(file.job.quantize.vptq.kmeans_iterations, 9);
  EXPECT_THAT(file.notes,
              ElementsAre(path.string() + ":7: kiter is read as quantize.vptq.kmeans_iterations."));
}

TEST(JobFile, TheJobAsUnderstoodReadsBackTheSame) {
  QuantizeJob job = job_from_text(kShortestJob, "a.yaml");
  EXPECT_EQ(job_from_text(job_text(job), "written"), job);

  job.calibration.text = {"a b", "c.jsonl"};
  job.quantize.targets = {"layers\\.\\d+\\..*", "'quoted'"};
  job.quantize.dampening_frac = 1.0 / 3;
  job.evaluation.text = "e";
  job.evaluation.max_perplexity_ratio = 1.1;
  job.output.max_shard_size = 123'456'789;
  job.runtime.host_memory = 20ULL << 30U;
  auto other = job.quantize.vptq;
  other.num_res_centroids = 4096;
  job.quantize.overrides = {{"layers\\.0\\..*down_proj", other}, {".*", job.quantize.vptq}};
  const std::string text = job_text(job);
  EXPECT_EQ(job_from_text(text, "written"), job) << text;
}

TEST(JobFile, WhatCannotChangeTheResultIsNoDifference) {
  const QuantizeJob a = job_from_text(kShortestJob, "a.yaml");
  QuantizeJob b = a;
  b.runtime.threads = 3;
  b.runtime.work_dir = "elsewhere";
  b.runtime.scratch = 5;
  b.output.dir = "elsewhere";
  EXPECT_THAT(config::differences(settings_of(a), settings_of(b)), IsEmpty());
  b.quantize.seed = 1;
  b.quantize.vptq.num_centroids = 256;
  EXPECT_THAT(config::differences(settings_of(a), settings_of(b)),
              ElementsAre(config::Difference{"quantize.seed", "0", "1"},
                          config::Difference{"quantize.vptq.num_centroids", "65536", "256"}));
  EXPECT_THAT(settings_of(a), Contains(config::Setting{"runtime.threads", "0", false}));
}

}  // namespace
}  // namespace tessera::jobs
