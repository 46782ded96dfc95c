#include "jobs/gate/verdict.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "jobs/gate/check_scores.hpp"

namespace tessera::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

Verdict read_back(const Verdict& verdict) {
  return verdict_from_json(JsonValue::parse(to_json(verdict).to_text(), "test"), "test");
}

TEST(Verdict, OfNothingHasPassed) {
  EXPECT_TRUE(Verdict().has_passed());
  EXPECT_TRUE(read_back(Verdict()).has_passed());
  EXPECT_EQ(to_json(Verdict()).at("verdict").text(), "passed");
}

TEST(Verdict, ReadsBack) {
  Verdict verdict;
  verdict.check("files").num_looked_at = 3;
  verdict.check("perplexity").limit = 1.5;
  verdict.check("perplexity").value = 1.25;
  verdict.check("divergence").not_made = "nothing was scored";
  verdict.add("files", "b", "b is bad.");
  verdict.add("files", "a", "a is bad.");
  verdict.add("files", "b", "b is bad.");  // said once
  const Verdict read = read_back(verdict);
  EXPECT_EQ(to_json(read).to_text(), to_json(verdict).to_text());
  EXPECT_FALSE(read.has_passed());
  EXPECT_THAT(read.sentences(), ElementsAre("a is bad.", "b is bad."));
  EXPECT_EQ(read.num_looked_at("files"), 3u);
  EXPECT_EQ(read.num_looked_at("nothing"), 0u);
}

TEST(Verdict, SharesOfRanksGiveOneWhateverTheirOrder) {
  Verdict a, b;
  a.check("values").num_looked_at = 2;
  a.add("values", "z", "z is bad.");
  b.check("values").num_looked_at = 1;
  b.add("values", "c", "c is bad.");
  Verdict ab, ba;
  ab.merge(a);
  ab.merge(b);
  ba.merge(b);
  ba.merge(a);
  EXPECT_EQ(to_json(ab).to_text(), to_json(ba).to_text());
  EXPECT_EQ(ab.num_looked_at("values"), 3u);
  EXPECT_THAT(ab.sentences(), ElementsAre("c is bad.", "z is bad."));
}

TEST(Verdict, OneThatContradictsItselfIsRefused) {
  const auto parse = [](const std::string& text) {
    return verdict_from_json(JsonValue::parse(text, "x"), "GATE.json");
  };
  EXPECT_THAT([&] { parse(R"({"gate_version": 2})"); },
              ThrowsMessage<InputError>(HasSubstr("gate_version is 2")));
  EXPECT_THAT(
      [&] {
        parse(R"({"gate_version": 1, "verdict": "passed", "checks": [{"check": "files",
                 "looked_at": 1, "findings": [{"name": "a", "problem": "bad"}]}]})");
      },
      ThrowsMessage<InputError>(HasSubstr("not that of its findings")));
  EXPECT_THROW(parse("[]"), InputError);
}

QualityScores scores(double original, double quantized, double divergence) {
  QualityScores scores;
  scores.original.emplace().perplexity = original;
  scores.quantized.emplace().perplexity = quantized;
  scores.divergence = divergence;
  return scores;
}

std::vector<std::string> problems(const QualityScores& scores, const EvaluationSettings& settings) {
  Verdict verdict;
  check_scores(scores, settings, verdict);
  return verdict.sentences();
}

TEST(CheckScores, WithoutALimitOnlyNumbersCount) {
  EXPECT_THAT(problems({}, {}), IsEmpty());
  EXPECT_THAT(problems(scores(10, 1000, 5), {}), IsEmpty());
  EXPECT_THAT(problems(scores(10, INFINITY, NAN), {}),
              ElementsAre(HasSubstr("perplexity is inf"), HasSubstr("divergence")));
}

TEST(CheckScores, ALimitIsStillAllowed) {
  EvaluationSettings settings;
  settings.max_perplexity_ratio = 1.5;
  settings.max_divergence = 0.25;
  EXPECT_THAT(problems({}, settings), IsEmpty());  // the job names no text
  EXPECT_THAT(problems(scores(10, 15, 0.25), settings), IsEmpty());
  EXPECT_THAT(
      problems(scores(10, 15.01, 0.2501), settings),
      ElementsAre(HasSubstr("evaluation.max_perplexity_ratio is 1.5"),
                  HasSubstr("0.2501 nats in the mean (evaluation.max_divergence is 0.25)")));
}

}  // namespace
}  // namespace tessera::jobs
