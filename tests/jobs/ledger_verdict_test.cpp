#include "jobs/ledger_verdict.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jobs/ledger_support.hpp"

namespace tessera::jobs {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A second run that made other bytes, not yet judged.
LedgerRow second() {
  LedgerRow row = sound_row("tiny", "bb");
  row.program.commit = "decaf";
  row.verdict = {};
  return row;
}

Verdict judged(const LedgerRow& row, const VerdictBounds& bounds = {}) {
  const LedgerRow good = sound_row();
  return judge(row, &good, bounds);
}

TEST(LedgerVerdict, TheFirstRunHasNothingToCompareWith) {
  const Verdict verdict = judge(sound_row(), nullptr, {});
  EXPECT_EQ(verdict.kind, VerdictKind::first);
  EXPECT_EQ(verdict.against, "");
  EXPECT_EQ(exit_code(verdict), 0);
}

TEST(LedgerVerdict, TheSameWeightsAreTheSameWhateverTheModelCardSays) {
  LedgerRow row = sound_row();
  row.output.files["README.md"] = "another version of the program";
  const Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::same);
  EXPECT_EQ(verdict.against, "2026-01-31T03:12:45Z");
  EXPECT_THAT(verdict.warnings, IsEmpty());
}

TEST(LedgerVerdict, OtherBytesWithinTheBoundsAreChanged) {
  LedgerRow row = second();
  row.scores.quantized = 13.0 * 1.0299;
  row.layers[0].proxy_error = 0.02 * 1.2499;
  const Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::changed);
  EXPECT_THAT(verdict.reasons, ElementsAre(HasSubstr("was 1.3000 (+2.99 %)")));
  EXPECT_EQ(exit_code(verdict), 0);
}

TEST(LedgerVerdict, OneCommitThatMakesOtherBytesIsWarnedOf) {
  LedgerRow row = second();
  row.program.commit = "c0ffee";
  EXPECT_THAT(judged(row).warnings, ElementsAre(HasSubstr("the same commit made other bytes")));
  LedgerRow good = sound_row();
  row.program.commit = good.program.commit = "c0ffee-dirty";  // says nothing of what was built
  EXPECT_THAT(judge(row, &good, {}).warnings, IsEmpty());
  row = second();
  row.program.commit = "c0ffee";
  row.machine.processor = "another";
  EXPECT_THAT(judged(row).warnings, IsEmpty());
}

TEST(LedgerVerdict, APerplexityJustPastItsBoundIsWorse) {
  LedgerRow row = second();
  row.scores.quantized = 13.0 * 1.0301;
  const Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::worse);
  EXPECT_THAT(verdict.reasons,
              ElementsAre(AllOf(HasSubstr("1.3391 times the original's"), HasSubstr("+3.01 %"),
                                HasSubstr("3 % is allowed"))));
  EXPECT_EQ(exit_code(verdict), 4);
  EXPECT_EQ(judged(row, {.perplexity = 0.04}).kind, VerdictKind::changed);
}

TEST(LedgerVerdict, LayersPastTheirBoundAreNamedTheWorstFirst) {
  LedgerRow row = second();
  row.layers[0].proxy_error = 0.03;  // +50 %
  row.layers[1].proxy_error = 0.12;  // +200 %
  Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::worse);
  ASSERT_EQ(verdict.worse_layers.size(), 2u);
  EXPECT_EQ(verdict.worse_layers[0].layer, "layers.1.mlp.down_proj");
  EXPECT_EQ(verdict.worse_layers[0].before, 0.04);
  EXPECT_THAT(verdict.reasons,
              ElementsAre(AllOf(HasSubstr("layers.1.mlp.down_proj is 0.12, was 0.04 (+200.00 %"),
                                HasSubstr("25 % is allowed")),
                          HasSubstr("layers.0.self_attn.q_proj")));
  row.layers[0].proxy_error = std::nan("");  // is past every bound, and worse than all
  verdict = judged(row);
  EXPECT_EQ(verdict.worse_layers[0].layer, "layers.0.self_attn.q_proj");
  EXPECT_EQ(judged(row, {.layer_error = 100}).worse_layers.size(), 1u);
}

TEST(LedgerVerdict, RisesTooSmallToMatterDoNot) {
  LedgerRow good = sound_row(), row = second();
  good.layers[0].proxy_error = 0;  // an exact layer
  row.layers[0].proxy_error = 9e-5;
  EXPECT_EQ(judge(row, &good, {}).kind, VerdictKind::changed);
  row.layers[0].proxy_error = 2e-4;
  EXPECT_EQ(judge(row, &good, {}).kind, VerdictKind::worse);
}

TEST(LedgerVerdict, LayersThatAreLeftOutAreWorseAndNewOnesAreNot) {
  LedgerRow row = second();
  row.layers.push_back({"layers.2.mlp.up_proj", 2.0, 0.5});
  EXPECT_EQ(judged(row).kind, VerdictKind::changed);
  row.layers.erase(row.layers.begin());
  EXPECT_THAT(judged(row).reasons,
              ElementsAre("layers.0.self_attn.q_proj is not quantized any more"));
}

TEST(LedgerVerdict, AnyMoreBitsAreWorseAndFewerAreBetter) {
  LedgerRow row = second();
  row.scores.bits_per_weight = 2.2501;
  EXPECT_THAT(judged(row).reasons, ElementsAre(HasSubstr("2.2501 bits per weight, was 2.2500")));
  EXPECT_EQ(judged(row, {.bits = 0.001}).kind, VerdictKind::changed);
  row.scores.bits_per_weight = 2.2499;
  EXPECT_EQ(judged(row).kind, VerdictKind::better);
  row.layers[0].proxy_error = 1;  // what got worse weighs more than what got better
  EXPECT_EQ(judged(row).kind, VerdictKind::worse);
}

TEST(LedgerVerdict, APerplexityPastItsBoundToTheBetterIsBetter) {
  LedgerRow row = second();
  row.scores.quantized = 13.0 / 1.031;
  EXPECT_EQ(judged(row).kind, VerdictKind::better);
  row.scores.quantized = 13.0 / 1.029;
  EXPECT_EQ(judged(row).kind, VerdictKind::changed);
}

TEST(LedgerVerdict, PerplexitiesOfAnotherTextAreNotCompared) {
  LedgerRow row = second();
  row.scores.original = 20.0;
  row.scores.quantized = 80.0;
  Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::changed);
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("scored on another text")));
  row = second();
  row.scores.tokens = 12;
  EXPECT_THAT(judged(row).warnings, ElementsAre(HasSubstr("number of windows")));
  row.scores.original.reset();
  EXPECT_THAT(judged(row).warnings, ElementsAre(HasSubstr("not scored")));
}

TEST(LedgerVerdict, TimeIsWarnedOfWhereMachinesAreAlike) {
  LedgerRow row = sound_row();
  row.seconds = {{"solve", 151.0}};
  EXPECT_THAT(judged(row).warnings, ElementsAre(HasSubstr("it took 2m31s, was 1m40s")));
  EXPECT_EQ(judged(row).kind, VerdictKind::same);
  EXPECT_THAT(judged(row, {.seconds = 0.6}).warnings, IsEmpty());
  row.machine.num_ranks = 1;
  EXPECT_THAT(judged(row).warnings, IsEmpty());
}

TEST(LedgerVerdict, ADegradedRunIsWorseThanAGoodOneAndNoneToCompareWith) {
  LedgerRow row = second();
  row.end = RunEnd::degraded;
  row.problems = {"layers.1.mlp.down_proj is degraded: no tokens"};
  const Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::worse);
  EXPECT_THAT(verdict.reasons, ElementsAre(HasSubstr("is degraded")));
  row.verdict = judge(row, nullptr, {});
  EXPECT_EQ(row.verdict.kind, VerdictKind::first);
  EXPECT_THAT(row.verdict.warnings, ElementsAre(HasSubstr("is degraded")));
  EXPECT_EQ(last_good({row}, "tiny", "m1"), nullptr);
}

TEST(LedgerVerdict, RunsWithoutAResultHaveFailed) {
  for (const RunEnd end : {RunEnd::failed, RunEnd::refused}) {
    LedgerRow row = second();
    row.end = end;
    row.problems = {"why"};
    const Verdict verdict = judged(row);
    EXPECT_EQ(verdict.kind, VerdictKind::failed);
    EXPECT_THAT(verdict.reasons, ElementsAre("why"));
    EXPECT_EQ(exit_code(verdict), 4);
    EXPECT_EQ(judge(row, nullptr, {}).kind, VerdictKind::failed);
  }
}

TEST(LedgerVerdict, AnotherRecipeIsComparedAndItsKeysNamed) {
  const std::string job =
      "model: {path: m}\ncalibration: {text: [t]}\noutput: {dir: o}\nruntime: {work_dir: w}\n"
      "quantize: {seed: ";
  LedgerRow good = sound_row(), row = second();
  good.recipe.job = job + "1}\n";
  row.recipe = {"f2", job + "2}\n"};
  Verdict verdict = judge(row, &good, {});
  EXPECT_EQ(verdict.kind, VerdictKind::changed);
  EXPECT_THAT(verdict.warnings, ElementsAre("the recipe changed: quantize.seed is 2, was 1"));
  row.recipe.job = good.recipe.job;
  EXPECT_THAT(judge(row, &good, {}).warnings, ElementsAre(HasSubstr("another content")));
  row.recipe.job = "quantize: {a_key_to_come: 1}\n";
  EXPECT_THAT(judge(row, &good, {}).warnings, ElementsAre(HasSubstr("another program")));
}

TEST(LedgerVerdict, RowsOfOutputsAreComparedAsFarAsTheyTell) {
  LedgerRow row = second();
  row.layers.clear();
  row.seconds.clear();
  const Verdict verdict = judged(row);
  EXPECT_EQ(verdict.kind, VerdictKind::changed);
  EXPECT_THAT(verdict.warnings, ElementsAre(HasSubstr("no errors of layers")));
  row.output.files.clear();
  EXPECT_THAT(judged(row).warnings, Contains(HasSubstr("bytes are not compared")));
}

TEST(LedgerVerdict, TheLastGoodRowIsOfThisNameAndModelAndNotWorse) {
  EXPECT_EQ(last_good({}, "tiny", "m1"), nullptr);
  std::vector<LedgerRow> rows(6, sound_row());
  rows[0].time = "wanted";
  rows[1].name = "another";
  rows[2].model.sha256 = "m2";
  rows[3].verdict.kind = VerdictKind::worse;
  rows[4].end = RunEnd::degraded;
  rows[5].end = RunEnd::refused;
  rows[5].verdict.kind = VerdictKind::failed;
  ASSERT_NE(last_good(rows, "tiny", "m1"), nullptr);
  EXPECT_EQ(last_good(rows, "tiny", "m1")->time, "wanted");
  EXPECT_EQ(last_good(rows, "tiny", "m3"), nullptr);
  rows.push_back(sound_row());
  rows.back().verdict.kind = VerdictKind::changed;
  EXPECT_EQ(last_good(rows, "tiny", "m1"), &rows.back());
}

}  // namespace
}  // namespace tessera::jobs
