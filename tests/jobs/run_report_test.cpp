#include "jobs/run_report.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

RunReport some_report() {
  RunReport report;
  report.model = "models/a \"quoted\"";
  report.output_dir = "models/b";
  report.work_dir = "work/b";
  report.job_text = "model:\n  path: x\n";
  report.fingerprint = "f";
  report.version = "0.1.0";
  report.commit = "c0ffee";
  report.machine = {"CPU", 2, 3, 4, 24u << 20};
  report.layers = {{0, "mlp.up_proj", 64, 172, 2.5, 0.03, 1.5, 0.01, 2, {"a", "b, \"c\""}, true}};
  report.layers[0].allocated = {"v=4 K=16", 0.5, 0.75};
  report.stages = {{"calibrate", 1.25}, {"solve", 2.5}};
  report.num_samples = 8;
  report.sample_length = 128;
  report.bits_per_weight = 2.5;
  report.bytes_before = 100;
  report.bytes_after = 10;
  report.original = evaluation::Perplexity{20.0, 2.99, 4, 508, 128};
  report.quantized = evaluation::Perplexity{25.0, 3.2, 4, 508, 128};
  report.max_perplexity_ratio = 1.5;
  report.divergence = 0.125;
  report.max_divergence = 0.5;
  report.peak_memory_bytes = 1000;
  report.gate_problems = {"too bad"};
  return report;
}

TEST(RunReport, HasTheNamesOthersRely) {
  const JsonValue json = to_json(some_report());
  EXPECT_EQ(json.at("bits_per_weight").number(), 2.5);
  EXPECT_EQ(json.at("perplexity").at("original").number(), 20.0);
  EXPECT_EQ(json.at("perplexity").at("quantized").number(), 25.0);
  EXPECT_EQ(json.at("divergence").at("mean").number(), 0.125);
  EXPECT_EQ(json.at("divergence").at("max").number(), 0.5);
  EXPECT_EQ(json.at("seconds").at("solve").number(), 2.5);
  EXPECT_EQ(json.at("peak_memory_bytes").integer(), 1000);
}

TEST(RunReport, SurvivesJson) {
  const std::string text = to_json(some_report()).to_text();
  const RunReport again = report_from_json(JsonValue::parse(text, "x"), "x");
  EXPECT_EQ(to_json(again).to_text(), text);
  EXPECT_EQ(again.layers.at(0).remarks.at(1), "b, \"c\"");
  EXPECT_EQ(again.layers.at(0).allocated.recipe, "v=4 K=16");
}

TEST(RunReport, SurvivesJsonWithResiduals) {
  RunReport report = some_report();
  report.residual_bytes = 77;
  report.layers[0].compensation = {{residual::SelectionRule::fixed, 32, 0.25, 0.5}};
  report.compensated = {{32, false, 22.5, 0.97, 1234}, {0, true, 21.5, 0.96, 1200}};
  const std::string text = to_json(report).to_text();
  EXPECT_THAT(text, testing::HasSubstr("\"selection\":\"static\""));
  const RunReport again = report_from_json(JsonValue::parse(text, "x"), "x");
  EXPECT_EQ(to_json(again).to_text(), text);
  EXPECT_TRUE(again.compensated.at(1).is_by_layer);
  EXPECT_EQ(again.layers.at(0).compensation.at(0).error, 0.25);
}

TEST(RunReport, SurvivesJsonWithALadder) {
  RunReport report = some_report();
  report.layers[0].ladder = {{"dampening 0.05", "it is \"singular\""}, {"keep", ""}};
  report.layers[0].is_kept = true;
  const std::string text = to_json(report).to_text();
  const RunReport again = report_from_json(JsonValue::parse(text, "x"), "x");
  EXPECT_EQ(to_json(again).to_text(), text);
  EXPECT_EQ(again.layers[0].ladder.at(1).tried, "keep");
  EXPECT_TRUE(again.layers[0].is_kept);
  EXPECT_THAT(
      quant_log_csv(again.layers),
      testing::EndsWith(
          ",\"dampening 0.05 failed (it is \"\"singular\"\"); keep held\",v=4 K=16,0.5,0.75\n"));
}

TEST(RunReport, SurvivesJsonWithoutScoresAndLayers) {
  const std::string text = to_json(RunReport()).to_text();
  EXPECT_EQ(to_json(report_from_json(JsonValue::parse(text, "x"), "x")).to_text(), text);
}

TEST(RunReport, IsReadWithoutTheCommitThatOlderOnesLack) {
  std::string text = to_json(some_report()).to_text();
  const std::string commit = "\"commit\":\"c0ffee\",";
  ASSERT_NE(text.find(commit), text.npos);
  text.erase(text.find(commit), commit.size());
  EXPECT_EQ(report_from_json(JsonValue::parse(text, "x"), "x").commit, "");
}

TEST(RunReport, NamesTheFileThatIsNoReport) {
  EXPECT_THAT([] { report_from_json(JsonValue::parse("{}", "x"), "work/report.json"); },
              testing::ThrowsMessage<InputError>(testing::HasSubstr("work/report.json")));
}

TEST(RunReport, ExitCodeSaysHowItWent) {
  RunReport report = some_report();
  EXPECT_EQ(exit_code(report), 4);
  EXPECT_EQ(report.model_dir(), "models/b.partial");
  report.gate_problems.clear();
  EXPECT_EQ(exit_code(report), 3);
  report.layers[0].is_degraded = false;
  EXPECT_EQ(exit_code(report), 0);
}

TEST(QuantLog, BeginsWithTheColumnsOthersRely) {
  EXPECT_THAT(
      quant_log_csv({}),
      testing::StartsWith("block,module,in_features,out_features,bits,proxy_error,seconds,"));
}

TEST(QuantLog, QuotesWhatSeparatesFields) {
  EXPECT_THAT(quant_log_csv(some_report().layers),
              testing::EndsWith("\n0,mlp.up_proj,64,172,2.5,0.03,1.500,0.01,2,1,\"a b, "
                                "\"\"c\"\"\",,v=4 K=16,0.5,0.75\n"));
}

}  // namespace
}  // namespace tessera::jobs
