#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Pictures for report.html: inline SVG that needs no script and takes its colours from the page's
// style (classes "cell", "bar", "label", "value"), so that light and dark pages share one drawing.
namespace tessera::jobs {

/// @p text with &, <, >, " and ' replaced: safe between tags and in attributes. Control characters
/// go.
std::string escape_html(std::string_view text);

/// A value for each (row, column); darker is larger. Hovering over a cell names it and its value.
struct HeatMap {
  std::string title;              ///< read out instead of the picture
  std::string column_name;        ///< "block"
  std::vector<std::string> rows;  ///< "self_attn.q_proj", ...
  std::size_t num_columns = 0;
  std::vector<std::optional<double>> values;  ///< rows.size() * num_columns; nothing: an empty cell
  std::function<std::string(double)> format;  ///< a value in words

  std::optional<double>& at(std::size_t row, std::size_t column) {
    return values[row * num_columns + column];
  }
};
std::string heat_map_svg(const HeatMap& map);

/// Horizontal bars from zero, each labelled with its name and its value.
struct Bar {
  std::string label;
  double value = 0;
  std::string text;  ///< the value in words
};
std::string bars_svg(const std::string& title, const std::vector<Bar>& bars);

/// Points joined by a line, each labelled with its values, above a level that they approach. The x
/// axis is that of log2(1 + x), as values of k_chunk double.
struct Curve {
  struct Point {
    double x = 0, y = 0;
  };
  struct Level {
    double y = 0;
    std::string label;
  };
  std::string title, x_name;
  std::vector<Point> points;  ///< by rising x; those that are not finite are left out
  std::optional<Level> level;
};
std::string curve_svg(const Curve& curve);

}  // namespace tessera::jobs
