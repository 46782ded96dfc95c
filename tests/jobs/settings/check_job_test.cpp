#include <gmock/gmock.h>

#include "tests/jobs/settings/sample_job.hpp"

namespace tessera::jobs {
namespace {

TEST(CheckJob, TheShortestJobIsSound) {
  EXPECT_EQ(message_for(""), "no problem");
}

TEST(CheckJob, CalibrationNeedsExactlyOneSource) {
  const std::string start = "model: {path: a}\noutput: {dir: b}\nruntime: {work_dir: c}\n";
  const std::string missing =
      "calibration.text is missing (there is nothing to calibrate on). Name a text file, or a "
      "token "
      "file in calibration.tokens.";
  EXPECT_EQ(message_for("", start), "a.yaml:1: " + missing);
  EXPECT_EQ(message_for("calibration:\n  num_samples: 9\n", start), "a.yaml:4: " + missing);
  EXPECT_EQ(message_for("calibration: {tokens: t.h5}", start), "no problem");
  EXPECT_EQ(message_for("calibration:\n  text: t\n  tokens: t.h5\n", start),
            "a.yaml:6: calibration.tokens is t.h5 (text is given, too, and only one of them can be "
            "used). Remove one.");
}

TEST(CheckJob, NoShardIsEmpty) {
  const std::string start = "model: {path: a}\noutput: {dir: b}\nruntime: {work_dir: c}\n";
  EXPECT_EQ(message_for("calibration:\n  text: t\n  num_samples: 3\n  num_shards: 3\n", start),
            "no problem");
  EXPECT_EQ(
      message_for("calibration:\n  text: t\n  num_samples: 2\n  num_shards: 3\n", start),
      "a.yaml:7: calibration.num_shards is 3 (there are 2 samples, and no shard may be empty). "
      "Lower it to 2, or raise num_samples.");
}

TEST(CheckJob, SomethingIsQuantized) {
  EXPECT_EQ(message_for("quantize:\n  targets: []\n"),
            "a.yaml:8: quantize.targets is an empty list (no layer would be quantized). Name a "
            "pattern, such as '.*_proj'.");
}

TEST(CheckJob, RungsRise) {
  EXPECT_EQ(message_for("quantize: {ladder: {dampening: [], fallback: keep}}\n"), "no problem");
  EXPECT_EQ(
      message_for("quantize:\n  ladder:\n    dampening: [0.5, 0.5]\n"),
      "a.yaml:9: quantize.ladder.dampening[1] is 0.5 (the try before has 0.5, and a rung that "
      "failed is not climbed twice). Let them rise.");
  EXPECT_THAT(message_for("quantize:\n  ladder:\n    fallback: none\n"),
              testing::HasSubstr("plain, keep"));
}

TEST(CheckJob, AGateNeedsAScore) {
  EXPECT_EQ(
      message_for("evaluation:\n  max_perplexity_ratio: 1.5\n"),
      "a.yaml:8: evaluation.max_perplexity_ratio is 1.5 (nothing is scored: evaluation.text is "
      "not given). Name a text file or remove the gate.");
  EXPECT_EQ(message_for("evaluation: {text: t, max_perplexity_ratio: 1.5}\n"), "no problem");
}

TEST(CheckJob, CompensationNeedsResiduals) {
  EXPECT_EQ(message_for("residual: {bits: 4, k_chunk: 32}\n"), "no problem");
  EXPECT_THAT(message_for("residual:\n  k_chunk: 32\n"),
              testing::StartsWith("a.yaml:8: residual.k_chunk is 32 (residual.bits is 0"));
  EXPECT_THAT(message_for("residual:\n  bits: 5\n"),
              testing::StartsWith("a.yaml:8: residual.bits is 5"));
  EXPECT_THAT(message_for("residual:\n  bits: 4\n  k_chunk: 1025\n"),
              testing::StartsWith("a.yaml:9: residual.k_chunk is 1025"));
}

TEST(CheckJob, ABudgetsCandidatesAreOfItsMethod) {
  EXPECT_EQ(message_for("quantize: {budget: {bits_per_weight: 2.25, candidates: [{num_centroids: "
                        "64}, {num_res_centroids: 0}]}}\n"),
            "no problem");
  EXPECT_THAT(message_for("quantize: {budget: {candidates: [{group_size: 64}]}}\n"),
              testing::HasSubstr("quantize.budget.candidates[0] has scheme or group_size (the "
                                 "method is vptq). Remove it."));
  const std::string start =
      "model: {path: a}\ncalibration: {text: t}\nruntime: {work_dir: c}\n"
      "output: {dir: b, format: compressed-tensors}\n";
  EXPECT_THAT(message_for("quantize: {method: gptq, budget: {candidates: [{scheme: W4A16}, "
                          "{vector_len: 4}]}}\n",
                          start),
              testing::HasSubstr("quantize.budget.candidates[1] has what only codebooks have (the "
                                 "method is gptq). Remove it."));
  EXPECT_THAT(message_for("quantize: {budget: {candidates: [{num_centroids: 100}]}}\n"),
              testing::HasSubstr("num_centroids is 100"));
}

TEST(CheckJob, AGptqModelHasOneRecipe) {
  const std::string start =
      "model: {path: a}\ncalibration: {text: t}\nruntime: {work_dir: c}\n"
      "quantize: {method: gptq, budget: {bits_per_weight: 3.5}}\n";
  EXPECT_THAT(message_for("output: {dir: b, format: gptq}\n", start),
              testing::HasSubstr("quantize.budget.bits_per_weight is 3.5 (a GPTQ config.json holds "
                                 "one recipe for all layers)"));
  EXPECT_EQ(message_for("output: {dir: b, format: compressed-tensors}\n", start), "no problem");
}

TEST(CheckJob, ABudgetIsGivenOnceAndOfAKnownDevice) {
  EXPECT_EQ(message_for("residual: {bits: 4, budget: {device: RTX 4090}}\n"), "no problem");
  EXPECT_THAT(
      message_for("residual:\n  bits: 4\n  budget:\n    device: RTX 1\n"),
      testing::HasSubstr("residual.budget.device is RTX 1 (no device that this program knows: "
                         "RTX 4090, "));
  EXPECT_THAT(message_for("residual:\n  bits: 4\n  budget:\n    device: RTX 4090\n"
                          "    bytes_per_token: 1MB\n"),
              testing::HasSubstr("only one of them can be kept"));
  EXPECT_THAT(message_for("residual:\n  budget: {bytes_per_token: 1MB}\n"),
              testing::HasSubstr("residual.budget is given (residual.bits is 0"));
}

TEST(CheckJob, TheJobsFoldersAreThreeFolders) {
  const std::string rest = "calibration: {text: t}\n";
  EXPECT_EQ(
      message_for("model: {path: m}\noutput: {dir: ./x/../m/}\nruntime: {work_dir: c}\n", rest),
      "a.yaml:3: output.dir is ./x/../m/ (model.path is the same folder). Choose another.");
  EXPECT_EQ(message_for("model: {path: m}\noutput: {dir: o}\nruntime: {work_dir: o}\n", rest),
            "a.yaml:4: runtime.work_dir is o (output.dir is the same folder). Choose another.");
  EXPECT_EQ(message_for("model: {path: m}\noutput: {dir: o}\nruntime: {work_dir: m}\n", rest),
            "a.yaml:4: runtime.work_dir is m (model.path is the same folder). Choose another.");
}

TEST(CheckJob, SettingsOfTheSolverAreCheckedWithTheirLine) {
  EXPECT_THAT(message_for("quantize:\n  vptq:\n    num_centroids: 16\n    num_res_centroids: 32\n"),
              testing::StartsWith("a.yaml:10: quantize.vptq.num_res_centroids is 32"));
  EXPECT_THAT(message_for("quantize:\n  vptq:\n    num_centroids: 16\n  overrides:\n"
                          "    - match: a\n      vptq:\n        num_res_centroids: 32\n"),
              testing::StartsWith("a.yaml:13: quantize.overrides[0].vptq.num_res_centroids is 32"));
}

}  // namespace
}  // namespace tessera::jobs
