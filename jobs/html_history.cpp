#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "core/error.hpp"
#include "jobs/html_charts.hpp"

namespace tessera::jobs {
namespace {

constexpr double kWidth = 920, kHeight = 190, kLeft = 90, kRight = 90, kTop = 16, kBottom = 34;
constexpr double kFoot = kHeight - kBottom;
constexpr double kLabelSpace = 36;  // numbers on the axis stand at least so far apart
constexpr double kHalf = 4;         // of a mark

/// From values to places on the drawing.
class Frame {
 public:
  explicit Frame(const std::vector<History::Run>& runs) {
    step_ = (kWidth - kLeft - kRight) / std::max<double>(1, static_cast<double>(runs.size()) - 1);
    for (const History::Run& run : runs) {
      if (!is_drawn(run)) continue;
      low_ = is_empty_ ? *run.value : std::min(low_, *run.value);
      high_ = is_empty_ ? *run.value : std::max(high_, *run.value);
      is_empty_ = false;
    }
  }
  static bool is_drawn(const History::Run& run) { return run.value && std::isfinite(*run.value); }
  double x(std::size_t index) const { return kLeft + step_ * static_cast<double>(index); }
  double y(double value) const {
    const double share = high_ > low_ ? (value - low_) / (high_ - low_) : 0.5;
    return kFoot - 10 - (kFoot - 10 - kTop) * share;
  }
  std::size_t runs_a_label() const {
    return static_cast<std::size_t>(std::max(1.0, std::ceil(kLabelSpace / step_)));
  }
  double low() const { return low_; }
  double high() const { return high_; }
  bool is_empty() const { return is_empty_; }

 private:
  double low_ = 0, high_ = 0, step_ = 0;
  bool is_empty_ = true;
};

std::string mark_svg(const History::Run& run, double x, double y, const std::string& said) {
  const std::string title = fmt::format("<title>{}</title>", escape_html(said));
  switch (run.mark) {
    case History::Mark::good:
      return fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:g}\" class=\"point\">{}</circle>\n", x, y,
          kHalf, title);
    case History::Mark::worse:
      return fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:g}\" height=\"{:g}\" class=\"point worse\">{}"
          "</rect>\n",
          x - kHalf, y - kHalf, 2 * kHalf, 2 * kHalf, title);
    case History::Mark::failed:
      return fmt::format(
          "<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"point failed\" "
          "text-anchor=\"middle\">\u2715{}</text>\n",
          x, kFoot, title);
  }
  throw Bug("a mark without a shape");
}

}  // namespace

std::string history_svg(const History& history) {
  const Frame frame(history.runs);
  if (frame.is_empty()) return "";
  std::string marks, path;
  for (std::size_t k = 0; k < history.runs.size(); ++k) {
    const History::Run& run = history.runs[k];
    const double x = frame.x(k);
    if (k % frame.runs_a_label() == 0) {
      marks +=
          svg_text(x, kHeight - 14, "label", "middle", std::to_string(history.first_number + k));
    }
    if (Frame::is_drawn(run)) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x, frame.y(*run.value));
      marks += mark_svg(run, x, frame.y(*run.value),
                        fmt::format("{}: {}", run.label, history.format(*run.value)));
    } else if (run.mark == History::Mark::failed) {
      marks += mark_svg(run, x, kFoot, run.label);
    }
  }
  std::string svg = open_svg(history.title, kWidth, kHeight);
  svg +=
      svg_text(kLeft - 14, frame.y(frame.low()) + 4, "label", "end", history.format(frame.low()));
  if (frame.high() > frame.low()) {
    svg += svg_text(kLeft - 14, frame.y(frame.high()) + 4, "label", "end",
                    history.format(frame.high()));
  }
  svg += fmt::format("<path d=\"{}\" class=\"curve\"/>\n", path);
  return svg.append(marks).append(kCloseSvg);
}

}  // namespace tessera::jobs
