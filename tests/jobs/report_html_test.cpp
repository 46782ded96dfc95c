#include "jobs/report_html.hpp"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

using testing::HasSubstr;
using testing::Not;

LayerReport layer(std::size_t block, const std::string& module, double error) {
  LayerReport l;
  l.block = block;
  l.module = module;
  l.in_features = 576;
  l.out_features = 1536;
  l.bits = 2.03;
  l.proxy_error = error;
  l.seconds = 0.5;
  return l;
}

RunReport two_layers() {
  RunReport r;
  r.model = "models/tiny";
  r.output_dir = "out/tiny";
  r.work_dir = "work/tiny";
  r.job_text = "model:\n  path: models/tiny\n";
  r.layers = {layer(0, "self_attn.q_proj", 0.01), layer(1, "mlp.up_proj", 0.0625)};
  r.stages = {{"solve", 1.0}};
  r.bits_per_weight = 2.03125;
  return r;
}

/// Every tag that is opened is closed, in order; void tags and the doctype aside.
void expect_balanced(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = page.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" />", 1));
    if (tag.starts_with("!") || name == "meta" || tag.ends_with("/")) continue;
    if (!tag.starts_with("/")) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << tag;
    EXPECT_EQ(tag, "/" + open.back());
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

// From 40 to 20, 30 is half of the gap.
TEST(ReportHtml, DrawsPerplexityAgainstWhatIsFetched) {
  RunReport r = two_layers();
  EXPECT_THAT(report_html(r), Not(HasSubstr("Residuals")));
  r.residual_bytes = 1000;
  r.original = evaluation::Perplexity{20.0, 2.99, 4, 508, 128};
  r.quantized = evaluation::Perplexity{40.0, 3.69, 4, 508, 128};
  r.compensated = {{32, false, 30.0, 0.97, 1234}, {0, true, 28.0, 0.96, 1200}};
  for (LayerReport& l : r.layers)
    l.compensation = {{residual::SelectionRule::bucket, 32, 0.25, 0.5}};
  const std::string page = report_html(r);
  expect_balanced(page);
  EXPECT_THAT(page, HasSubstr("<td>50.0 %</td>"));
  EXPECT_THAT(page, HasSubstr("<td>by layer</td>"));
  EXPECT_THAT(page, HasSubstr("class=\"curve\""));
  EXPECT_THAT(page, HasSubstr("<td class=\"name\">bucket</td><td>0.2500 (0.50)</td>"));
  r.compensated = {{32, false, std::nan(""), 0.97, 1234}};
  r.quantized->perplexity = std::nan("");
  expect_balanced(report_html(r));
}

TEST(ReportHtml, AnEmptyRunIsAPageToo) {
  const std::string page = report_html({});
  expect_balanced(page);
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

TEST(ReportHtml, NeedsNothingElse) {
  const std::string page = report_html(two_layers());
  for (const char* foreign : {"<script", "http://", "https://", "src=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(foreign)));
  }
}

TEST(ReportHtml, ShowsTheFiguresAndEveryLayer) {
  RunReport r = two_layers();
  r.original = evaluation::Perplexity{};
  r.original->perplexity = 20.363;
  r.quantized = r.original;
  r.quantized->perplexity = 40.726;
  r.quantized->context_length = 2048;
  r.quantized->num_tokens = 81880;
  const std::string page = report_html(r);
  expect_balanced(page);
  for (const char* figure : {"2.031", "20.363", "40.726", "context length 2048, 81880 tokens",
                             "Quantized over original: 2.000", "block 1, mlp.up_proj: 0.0625"}) {
    EXPECT_THAT(page, HasSubstr(figure));
  }
}

TEST(ReportHtml, EscapesWhatComesFromOutside) {
  const std::string hostile = "<script>alert(\"1\")</script>&'";
  RunReport r = two_layers();
  r.model = r.output_dir = r.work_dir = r.job_text = r.fingerprint = r.version = hostile;
  r.machine.processor = hostile;
  r.layers[0].module = hostile;
  r.layers[0].remarks = {hostile};
  r.stages[0].name = hostile;
  r.gate_problems = {hostile};
  const std::string page = report_html(r);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;"));
  expect_balanced(page);
}

TEST(ReportHtml, SaysWhatFailedAndWhatWasHandled) {
  RunReport r = two_layers();
  r.layers[1].remarks = {"3 of 576 input channels saw no token"};
  r.layers[1].is_degraded = true;
  r.layers[1].ladder = {{"dampening 0.05", "a < b"}, {"plain", ""}};
  r.gate_problems = {"perplexity ratio 5.0 is above 1.5"};
  const std::string page = report_html(r);
  EXPECT_THAT(page, HasSubstr("<li class=\"bad\">block 1 mlp.up_proj: 3 of 576"));
  EXPECT_THAT(page, HasSubstr("Layers that failed at first"));
  EXPECT_THAT(page, HasSubstr("a &lt; b"));
  EXPECT_THAT(page, HasSubstr("<b>not published</b>: perplexity ratio 5.0"));
}

TEST(ReportHtml, ErrorsThatAreNoNumbersLeaveTheirCellOut) {
  RunReport r = two_layers();
  r.layers[0].proxy_error = std::nan("");
  const std::string page = report_html(r);
  expect_balanced(page);
  EXPECT_THAT(page, Not(HasSubstr("fill-opacity=\"nan\"")));
  EXPECT_THAT(page, Not(HasSubstr("block 0, self_attn.q_proj: nan")));
}

}  // namespace
}  // namespace tessera::jobs
