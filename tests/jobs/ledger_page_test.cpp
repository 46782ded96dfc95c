#include "jobs/ledger_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jobs/ledger_support.hpp"

namespace tessera::jobs {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& page, const std::string& text) {
  std::size_t found = 0;
  for (std::size_t at = page.find(text); at != page.npos; at = page.find(text, at + 1)) ++found;
  return found;
}

/// A good night, one with a worse layer, one that failed.
std::vector<LedgerRow> three_nights() {
  std::vector<LedgerRow> rows(3, sound_row());
  rows[1].time = "2026-02-01T03:00:00Z";
  rows[1].scores.quantized = 14.5;
  rows[1].layers[1].proxy_error = 0.5;
  rows[1].verdict = {VerdictKind::worse,
                     {"the error rose"},
                     {"slower"},
                     {{"layers.1.mlp.down_proj", 0.04, 0.5}},
                     rows[0].time};
  rows[2] = LedgerRow{};
  rows[2].time = "2026-02-02T03:00:00Z";
  rows[2].name = "tiny";
  rows[2].verdict = {VerdictKind::failed, {"it ended with 137"}, {}, {}, rows[0].time};
  return rows;
}

TEST(LedgerPage, AnEmptyLedgerIsAPageToo) {
  EXPECT_THAT(ledger_page({}), HasSubstr("0 runs of 0 recipes"));
}

TEST(LedgerPage, MarksEveryVerdictInEveryCurve) {
  const std::string page = ledger_page(three_nights());
  constexpr std::size_t kCurves = 5;
  EXPECT_EQ(count(page, "class=\"curve\""), kCurves);
  EXPECT_EQ(count(page, "<circle"), kCurves);
  EXPECT_EQ(count(page, "class=\"point worse\""), kCurves);
  EXPECT_EQ(count(page, "class=\"point failed\""), kCurves);
  EXPECT_THAT(page, HasSubstr("<title>2026-02-01T03:00:00Z, worse: 1.4500</title>"));
  EXPECT_THAT(page, HasSubstr("<title>2026-02-02T03:00:00Z, failed</title>"));
}

TEST(LedgerPage, NamesTheLastVerdictAndTheWorstLayers) {
  const std::string page = ledger_page(three_nights());
  EXPECT_THAT(page, HasSubstr("<h2>tiny: failed</h2>"));
  EXPECT_THAT(page, HasSubstr("<li class=\"bad\">it ended with 137</li>"));
  EXPECT_THAT(page, HasSubstr("Run 2, 2026-02-01T03:00:00Z: worse"));
  EXPECT_THAT(page, HasSubstr("<title>run 2, 1.mlp.down_proj: 0.5</title>"));
  EXPECT_LT(page.find(">1.mlp.down_proj</text>"), page.find(">0.self_attn.q_proj</text>"));
}

TEST(LedgerPage, DrawsTheLastRunsUnderTheirOwnNumbers) {
  const std::vector<LedgerRow> rows(kMaxRuns + 5, sound_row());
  const std::string page = ledger_page(rows);
  EXPECT_THAT(page, HasSubstr("<tr><td>65</td>"));
  EXPECT_THAT(page, HasSubstr("<tr><td>6</td>"));
  EXPECT_THAT(page, Not(HasSubstr("<tr><td>5</td>")));
  EXPECT_THAT(page, HasSubstr(">6</text>"));
}

TEST(LedgerPage, NeedsNothingElseAndEscapesWhatComesFromOutside) {
  std::vector<LedgerRow> rows = three_nights();
  const std::string hostile = "<script src='http://x'>";
  rows[0].name = rows[0].time = rows[0].host = rows[0].model.path = hostile;
  rows[0].program = {hostile, hostile};
  rows[0].layers[0].layer = hostile;
  rows[0].verdict.reasons = rows[0].verdict.warnings = {hostile};
  const std::string page = ledger_page(rows);
  for (const char* foreign : {"<script", "src='", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(foreign)));
  }
  EXPECT_THAT(page, HasSubstr("&lt;script src=&#39;http://x&#39;&gt;"));
}

}  // namespace
}  // namespace tessera::jobs
