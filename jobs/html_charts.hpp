#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jobs/html_svg.hpp"

// Pictures for report.html and the ledger's page (html_svg.hpp).
namespace tessera::jobs {

/// A value for each (row, column); darker is larger. Hovering over a cell names it and its value.
struct HeatMap {
  std::string title;              ///< read out instead of the picture
  std::string column_name;        ///< "block"
  std::vector<std::string> rows;  ///< "self_attn.q_proj", ...
  std::size_t num_columns = 0;
  std::size_t first_column = 0;               ///< the number that the first column is called by
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

/// A value for each run of a history, oldest first, evenly spaced and joined by a line. Runs are
/// told apart by shape as well as by colour: a disc, a square for one that got worse, a cross at
/// the foot for one without a result.
struct History {
  enum class Mark { good, worse, failed };
  struct Run {
    std::string label;            ///< said when the mouse is over it: when, and the verdict
    std::optional<double> value;  ///< nothing, or no number: a gap in the line
    Mark mark = Mark::good;
  };
  std::string title;
  std::vector<Run> runs;
  std::size_t first_number = 1;               ///< of the first run, on the axis
  std::function<std::string(double)> format;  ///< a value in words
};
/// Empty when no run has a value.
std::string history_svg(const History& history);

}  // namespace tessera::jobs
