#include "jobs/ledger_curves.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "core/human_text.hpp"
#include "jobs/html_charts.hpp"

namespace tessera::jobs {
namespace {

std::optional<double> largest_error_of(const LedgerRow& row) {
  if (row.layers.empty()) return std::nullopt;
  return std::ranges::max(row.layers, {}, &LedgerLayer::proxy_error).proxy_error;
}

template <class ValueOf>
std::string curve(const RecipeRuns& runs, const std::string& title, ValueOf&& value_of,
                  std::string (*format)(double)) {
  History history{title, {}, runs.first_number, format};
  for (const LedgerRow* row : runs.rows) {
    const auto mark = row->verdict.kind == VerdictKind::failed  ? History::Mark::failed
                      : row->verdict.kind == VerdictKind::worse ? History::Mark::worse
                                                                : History::Mark::good;
    history.runs.push_back(
        {row->time + ", " + std::string(name_of_value(row->verdict.kind)), value_of(*row), mark});
  }
  const std::string svg = history_svg(history);
  return svg.empty() ? "" : fmt::format("<h3>{}</h3>\n{}", escape_html(title), svg);
}

/// Layers that ever got worse, then those with the largest error in any run: at most kWorst.
std::vector<std::string> worst_layers(const RecipeRuns& runs) {
  constexpr std::size_t kWorst = 10;
  std::map<std::string, std::pair<bool, double>> weight_of;
  for (const LedgerRow* row : runs.rows) {
    for (const LedgerLayer& layer : row->layers) {
      auto& [is_worse, error] = weight_of[layer.layer];
      error = std::max(error, layer.proxy_error);
    }
    for (const LayerRise& rise : row->verdict.worse_layers) weight_of[rise.layer].first = true;
  }
  std::vector<std::string> names;
  for (const auto& [name, weight] : weight_of) names.push_back(name);
  std::ranges::stable_sort(names, std::greater{},
                           [&](const std::string& name) { return weight_of.at(name); });
  names.resize(std::min(names.size(), kWorst));
  return names;
}

/// Without "layers.", so that it fits beside a map.
std::string short_name(const std::string& layer) {
  constexpr std::string_view kPrefix = "layers.";
  return layer.starts_with(kPrefix) ? layer.substr(kPrefix.size()) : layer;
}

}  // namespace

std::string ledger_error_text(double value) {
  return fmt::format("{:.4g}", value);
}

std::string ledger_score_text(double value) {
  return fmt::format("{:.4f}", value);
}

std::optional<double> ledger_seconds(const LedgerRow& row) {
  return row.seconds.empty() ? std::nullopt : std::optional(row.total_seconds());
}

std::string ledger_curves(const RecipeRuns& runs) {
  return curve(
             runs, "Perplexity over the original's",
             [](const LedgerRow& row) { return row.scores.ratio(); }, ledger_score_text) +
         curve(
             runs, "Bits per weight",
             [](const LedgerRow& row) { return row.scores.bits_per_weight; }, ledger_score_text) +
         curve(
             runs, "Mean error of the layers",
             [](const LedgerRow& row) { return row.scores.mean_proxy_error; }, ledger_error_text) +
         curve(runs, "Largest error of a layer", largest_error_of, ledger_error_text) +
         curve(runs, "Time", ledger_seconds, duration_text);
}

std::string ledger_layer_map(const RecipeRuns& runs) {
  HeatMap map;
  map.title = "Errors of the worst layers, run by run";
  map.column_name = "run";
  map.format = ledger_error_text;
  const std::vector<std::string> names = worst_layers(runs);
  if (names.empty()) return "";
  for (const std::string& name : names) map.rows.push_back(short_name(name));
  map.num_columns = runs.rows.size();
  map.first_column = runs.first_number;
  map.values.resize(map.rows.size() * map.num_columns);
  for (std::size_t column = 0; column < runs.rows.size(); ++column) {
    for (const LedgerLayer& layer : runs.rows[column]->layers) {
      const auto found = std::ranges::find(names, layer.layer);
      if (found == names.end()) continue;
      map.at(static_cast<std::size_t>(found - names.begin()), column) = layer.proxy_error;
    }
  }
  return "<h3>Errors of the worst layers</h3>\n" + heat_map_svg(map);
}

}  // namespace tessera::jobs
