#include "jobs/html_charts.hpp"

#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

using testing::HasSubstr;
using testing::Not;

HeatMap map_of(std::size_t num_columns, const std::vector<std::optional<double>>& values) {
  HeatMap map;
  map.title = "t";
  map.column_name = "block";
  map.num_columns = num_columns;
  for (std::size_t r = 0; r < values.size() / num_columns; ++r) {
    map.rows.push_back(fmt::format("row{}", r));
  }
  map.values = values;
  map.format = [](double value) { return fmt::format("{:g}!", value); };
  return map;
}

TEST(HtmlCharts, EscapesMarkupAndDropsControlCharacters) {
  EXPECT_EQ(escape_html(""), "");
  EXPECT_EQ(escape_html("a<b>&\"'\x01\x1b\n\xc3\xa9"), "a&lt;b&gt;&amp;&quot;&#39;\n\xc3\xa9");
}

TEST(HtmlCharts, TheSmallestIsFaintestAndTheLargestFull) {
  const std::string svg = heat_map_svg(map_of(2, {1.0, 100.0}));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.060\"><title>block 0, row0: 1!</title>"));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"1.000\"><title>block 1, row0: 100!</title>"));
  EXPECT_THAT(svg, HasSubstr(">10!</text>"));  // the legend's middle, logarithmic
}

TEST(HtmlCharts, OneFaintValueDoesNotTakeEveryShade) {
  std::vector<std::optional<double>> values(100);
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = 1.0 + static_cast<double>(k) / 99;
  values[7] = 1e-9;
  const std::string svg = heat_map_svg(map_of(100, values));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.060\"><title>block 7, row0: 1e-09!"));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.060\"><title>block 1, row0: 1.0101!"));
  EXPECT_THAT(svg, HasSubstr("\u2264 1.0101!</text>"));
}

TEST(HtmlCharts, AZeroMakesTheScaleLinear) {
  const std::string svg = heat_map_svg(map_of(3, {0.0, 1.0, 2.0}));
  EXPECT_THAT(svg, HasSubstr("linear scale"));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.530\"><title>block 1"));
}

TEST(HtmlCharts, EqualValuesAndMissingOnesAreDrawn) {
  const std::string svg = heat_map_svg(map_of(2, {3.0, std::nullopt, 3.0, 3.0}));
  EXPECT_THAT(svg, Not(HasSubstr("block 1, row0")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(heat_map_svg(map_of(1, {})), HasSubstr("</svg>"));
}

TEST(HtmlCharts, WantsOneValueForEachCell) {
  HeatMap map = map_of(2, {1.0, 2.0});
  map.values.pop_back();
  EXPECT_THROW(heat_map_svg(map), Bug);
}

TEST(HtmlCharts, BarsOfZeroAreStillSeen) {
  const std::string svg = bars_svg("times", {{"none", 0, "0 s"}, {"all", 0, "0 s"}});
  EXPECT_THAT(svg, HasSubstr("width=\"1.0\""));
  EXPECT_THAT(bars_svg("times", {}), HasSubstr("</svg>"));
}

TEST(HtmlCharts, AHistoryWithoutValuesIsNotDrawn) {
  EXPECT_EQ(history_svg({}), "");
  History history;
  history.runs = {{"a", std::nullopt}, {"b", std::nan("")}};
  EXPECT_EQ(history_svg(history), "");
}

TEST(HtmlCharts, AHistoryGoesFromLowToHighAndSkipsWhatIsMissing) {
  History history{"t", {}, 7, [](double value) { return fmt::format("{:g}!", value); }};
  history.runs = {{"a", 1.0}, {"b", std::nullopt}, {"c", 3.0}};
  const std::string svg = history_svg(history);
  EXPECT_THAT(svg, HasSubstr("d=\"M90.0 146.0 L830.0 16.0\""));  // the frame's corners
  EXPECT_THAT(svg, HasSubstr("<title>c: 3!</title>"));
  EXPECT_THAT(svg, HasSubstr(">9</text>"));
  history.runs = {{"alone", 2.0}};
  EXPECT_THAT(history_svg(history), HasSubstr("d=\"M90.0 81.0\""));
}

}  // namespace
}  // namespace tessera::jobs
