#include "jobs/html_charts.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

constexpr double kLabelWidth = 150;
constexpr double kPlotWidth = 760;
constexpr double kRowHeight = 26;
constexpr double kGap = 2;
constexpr double kFaintest = 0.06;  // opacity of the smallest value: still seen as a cell

bool is_drawn(const std::optional<double>& value) {
  return value && std::isfinite(*value);
}

/// Where a value lies between the smallest and the largest, 0 ... 1. Logarithmic where all are
/// positive: errors and times of layers spread over powers of ten. The faintest kAsFaint of the
/// values look alike, lest one layer that is far better than all others takes every shade.
class Scale {
 public:
  static constexpr double kAsFaint = 0.025;

  explicit Scale(const std::vector<std::optional<double>>& values) {
    std::vector<double> sorted;
    for (const auto& value : values) {
      if (is_drawn(value)) sorted.push_back(*value);
    }
    if (sorted.empty()) return;
    std::ranges::sort(sorted);
    const auto num_alike = static_cast<std::size_t>(kAsFaint * static_cast<double>(sorted.size()));
    is_clipped_ = num_alike > 0;
    low_ = sorted[num_alike];
    high_ = sorted.back();
    is_logarithmic_ = sorted.front() > 0;
  }

  double share(double value) const {
    if (high_ <= low_) return 1;
    const double share = is_logarithmic_ ? std::log(value / low_) / std::log(high_ / low_)
                                         : (value - low_) / (high_ - low_);
    return std::clamp(share, 0.0, 1.0);
  }
  double opacity(double value) const { return kFaintest + (1 - kFaintest) * share(value); }
  double low() const { return low_; }
  double high() const { return high_; }
  double middle() const { return is_logarithmic_ ? std::sqrt(low_ * high_) : (low_ + high_) / 2; }
  bool is_logarithmic() const { return is_logarithmic_; }
  bool is_clipped() const { return is_clipped_; }

 private:
  double low_ = 0, high_ = 0;
  bool is_logarithmic_ = false, is_clipped_ = false;
};

/// Column numbers under the map, so spaced that they do not touch.
std::string column_labels(const HeatMap& map, double cell, double y) {
  std::size_t step = 1;
  for (std::size_t wider : {2, 5, 10, 20, 50, 100, 200, 500}) {
    if (cell * static_cast<double>(step) >= 28) break;
    step = wider;
  }
  std::string labels = svg_text(kLabelWidth - 8, y, "label", "end", map.column_name);
  for (std::size_t c = 0; c < map.num_columns; c += step) {
    labels += svg_text(kLabelWidth + cell * (static_cast<double>(c) + 0.5), y, "label", "middle",
                       std::to_string(map.first_column + c));
  }
  return labels;
}

/// What the shades mean: smallest, middle and largest value.
std::string legend(const HeatMap& map, const Scale& scale, double y) {
  constexpr int kSteps = 24;
  constexpr double kStep = 10;
  std::string out;
  for (int k = 0; k < kSteps; ++k) {
    const double share = k / (kSteps - 1.0);
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"10\" class=\"cell\" "
        "fill-opacity=\"{:.3f}\"/>\n",
        kLabelWidth + k * kStep, y, kStep, kFaintest + (1 - kFaintest) * share);
  }
  const double width = kSteps * kStep;
  out += svg_text(kLabelWidth, y + 26, "label", "start",
                  (scale.is_clipped() ? "\u2264 " : "") + map.format(scale.low()));
  out += svg_text(kLabelWidth + width / 2, y + 26, "label", "middle", map.format(scale.middle()));
  out += svg_text(kLabelWidth + width, y + 26, "label", "end", map.format(scale.high()));
  out += svg_text(kLabelWidth + width + 16, y + 9, "label", "start",
                  scale.is_logarithmic() ? "logarithmic scale" : "linear scale");
  return out;
}

}  // namespace

std::string heat_map_svg(const HeatMap& map) {
  require(map.values.size() == map.rows.size() * map.num_columns, "one value for each cell");
  const Scale scale(map.values);
  const double cell = std::clamp(
      kPlotWidth / static_cast<double>(std::max<std::size_t>(map.num_columns, 1)), 4.0, 44.0);
  const double gap = cell > 8 ? kGap : 0.5;
  const double width =
      kLabelWidth + std::max(kPlotWidth / 2, cell * static_cast<double>(map.num_columns)) + 10;
  const double map_height = kRowHeight * static_cast<double>(map.rows.size());

  std::string svg = open_svg(map.title, width, map_height + 70);
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    const double y = kRowHeight * static_cast<double>(r);
    svg += svg_text(kLabelWidth - 8, y + kRowHeight * 0.65, "label", "end", map.rows[r]);
    for (std::size_t c = 0; c < map.num_columns; ++c) {
      const auto& value = map.values[r * map.num_columns + c];
      if (!is_drawn(value)) continue;
      svg += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"2\" "
          "class=\"cell\" fill-opacity=\"{:.3f}\"><title>{} {}, {}: {}</title></rect>\n",
          kLabelWidth + cell * static_cast<double>(c), y, cell - gap, kRowHeight - kGap,
          scale.opacity(*value), escape_html(map.column_name), map.first_column + c,
          escape_html(map.rows[r]), escape_html(map.format(*value)));
    }
  }
  svg += column_labels(map, cell, map_height + 14);
  svg += legend(map, scale, map_height + 34);
  return svg.append(kCloseSvg);
}

std::string bars_svg(const std::string& title, const std::vector<Bar>& bars) {
  constexpr double kValueWidth = 140;
  constexpr double kBarWidth = kPlotWidth - kValueWidth;
  double largest = 0;
  for (const Bar& bar : bars) {
    if (std::isfinite(bar.value)) largest = std::max(largest, bar.value);
  }
  std::string svg =
      open_svg(title, kLabelWidth + kPlotWidth + 10, kRowHeight * static_cast<double>(bars.size()));
  for (std::size_t r = 0; r < bars.size(); ++r) {
    const Bar& bar = bars[r];
    const double y = kRowHeight * static_cast<double>(r);
    const double share = std::isfinite(bar.value) && largest > 0 ? bar.value / largest : 0;
    const double length = std::max(1.0, kBarWidth * share);
    svg += svg_text(kLabelWidth - 8, y + kRowHeight * 0.65, "label", "end", bar.label);
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"3\" "
        "class=\"bar\"/>\n",
        kLabelWidth, y + 4, length, kRowHeight - 8);
    svg += svg_text(kLabelWidth + length + 8, y + kRowHeight * 0.65, "value", "start", bar.text);
  }
  return svg.append(kCloseSvg);
}

}  // namespace tessera::jobs
