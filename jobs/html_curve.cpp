#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "jobs/html_charts.hpp"

namespace tessera::jobs {
namespace {

constexpr double kWidth = 920, kHeight = 260, kLeft = 60, kRight = 90, kTop = 24, kBottom = 44;

/// From values to places on the drawing.
class Frame {
 public:
  Frame(const std::vector<Curve::Point>& points, const std::optional<Curve::Level>& level) {
    low_ = high_ = points.front().y;
    for (const Curve::Point& point : points) {
      low_ = std::min(low_, point.y);
      high_ = std::max(high_, point.y);
    }
    if (level) low_ = std::min(low_, level->y);
    widest_ = std::max(1.0, std::log2(1 + points.back().x));
  }
  double x(double value) const {
    return kLeft + (kWidth - kLeft - kRight) * std::log2(1 + value) / widest_;
  }
  double y(double value) const {
    const double share = high_ > low_ ? (value - low_) / (high_ - low_) : 0.5;
    return kHeight - kBottom - (kHeight - kTop - kBottom) * share;
  }

 private:
  double low_ = 0, high_ = 0, widest_ = 1;
};

}  // namespace

std::string curve_svg(const Curve& curve) {
  std::vector<Curve::Point> points;
  for (const Curve::Point& point : curve.points) {
    if (std::isfinite(point.y)) points.push_back(point);
  }
  if (points.empty()) return "";
  const Frame frame(points, curve.level);
  std::string svg = open_svg(curve.title, kWidth, kHeight);
  if (curve.level) {
    const double y = frame.y(curve.level->y);
    svg += fmt::format("<line x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\" class=\"level\"/>\n",
                       kLeft, y, kWidth - kRight, y);
    svg += svg_text(kWidth - kRight + 8, y + 4, "label", "start",
                    fmt::format("{} {:.2f}", curve.level->label, curve.level->y));
  }
  std::string path;
  for (const Curve::Point& point : points) {
    const double x = frame.x(point.x), y = frame.y(point.y);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x, y);
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"point\"/>\n", x, y);
    svg += svg_text(x, y - 9, "value", "middle", fmt::format("{:.2f}", point.y));
    svg += svg_text(x, kHeight - 24, "label", "middle", fmt::format("{:g}", point.x));
  }
  svg += fmt::format("<path d=\"{}\" class=\"curve\"/>\n", path);
  svg += svg_text(kWidth / 2, kHeight - 6, "label", "middle", curve.x_name);
  return svg.append(kCloseSvg);
}

}  // namespace tessera::jobs
