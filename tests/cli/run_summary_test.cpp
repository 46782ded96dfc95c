#include "cli/run_summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

jobs::RunReport finished() {
  jobs::RunReport r;
  r.output_dir = "models/packed";
  r.work_dir = "work/x";
  r.bits_per_weight = 2.03125;
  r.bytes_before = 269'000'000;
  r.bytes_after = 84'300'000;
  r.stages = {{"calibrate", 60}, {"solve", 90}};
  evaluation::Perplexity p;
  p.perplexity = 20.3634;
  p.context_length = 2048;
  p.num_tokens = 81880;
  r.original = p;
  p.perplexity = 98.7654;
  r.quantized = p;
  return r;
}

TEST(RunSummary, SetsBeforeBesideAfter) {
  const std::string text = run_summary(finished());
  EXPECT_THAT(text, HasSubstr("  size                   269 MB    84.3 MB  weight files"));
  EXPECT_THAT(
      text,
      HasSubstr("  perplexity             20.363     98.765  context length 2048, 81880 tokens"));
  EXPECT_THAT(text, HasSubstr("2m30s  calibrate 1m00s, solve 1m30s"));
  EXPECT_THAT(text, HasSubstr("output  models/packed\nreport  work/x/report.html\n"));
  EXPECT_THAT(text, HasSubstr("AutoModelForCausalLM.from_pretrained(\"models/packed\")"));
}

TEST(RunSummary, ShowsTheDivergenceWhereItWasMeasured) {
  jobs::RunReport r = finished();
  EXPECT_THAT(run_summary(r), Not(HasSubstr("divergence")));
  r.divergence = 0.03125;
  EXPECT_THAT(run_summary(r), HasSubstr("  divergence                        0.0312  mean"));
}

TEST(RunSummary, SaysWhenTheResultsAreStoredOnes) {
  jobs::RunReport r = finished();
  EXPECT_THAT(run_summary(r), Not(HasSubstr("nothing was left to do")));
  r.was_finished_before = true;
  EXPECT_THAT(run_summary(r), HasSubstr("nothing was left to do"));
}

TEST(RunSummary, SaysThatNothingWasMeasured) {
  jobs::RunReport r = finished();
  r.original.reset();
  r.quantized.reset();
  EXPECT_THAT(run_summary(r), HasSubstr("not measured"));
}

TEST(RunSummary, AFailedGateShowsNoWayToLoadTheModel) {
  jobs::RunReport r = finished();
  r.gate_problems = {"perplexity ratio 4.85 is above 1.5"};
  const std::string text = run_summary(r);
  EXPECT_THAT(text, HasSubstr("not published: perplexity ratio 4.85"));
  EXPECT_THAT(text, HasSubstr("models/packed.partial"));
  EXPECT_THAT(text, Not(HasSubstr("from_pretrained")));
}

TEST(RunSummary, NamesDegradedLayers) {
  jobs::RunReport r = finished();
  jobs::LayerReport layer;
  layer.block = 3;
  layer.module = "mlp.down_proj";
  layer.is_degraded = true;
  r.layers = {layer, {}};
  const std::string text = run_summary(r);
  EXPECT_THAT(text, HasSubstr("degraded: block 3 mlp.down_proj: see the report"));
  EXPECT_THAT(text, HasSubstr("1 of 2 layers could not be quantized as the others were"));
}

TEST(RunSummary, QuotesTheFolderForPython) {
  jobs::RunReport r = finished();
  r.output_dir = "a\"b\\c";
  EXPECT_THAT(run_summary(r), HasSubstr(R"(from_pretrained("a\"b\\c"))"));
}

}  // namespace
}  // namespace tessera::cli
