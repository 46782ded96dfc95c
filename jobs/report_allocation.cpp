#include "jobs/report_allocation.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "jobs/html_charts.hpp"

namespace tessera::jobs {
namespace {

bool has_choice(const LayerReport& layer) {
  return !layer.allocated.recipe.empty();
}

std::string bits_map(const RunReport& r) {
  HeatMap map;
  map.title = "Bits per layer";
  map.column_name = "block";
  map.format = [](double bits) { return fmt::format("{:.3f} bits a weight", bits); };
  std::map<std::string, std::size_t> row_of;
  for (const LayerReport& layer : r.layers) {
    if (row_of.emplace(layer.module, map.rows.size()).second) map.rows.push_back(layer.module);
    map.num_columns = std::max(map.num_columns, layer.block + 1);
  }
  map.values.resize(map.rows.size() * map.num_columns);
  for (const LayerReport& layer : r.layers) {
    map.at(row_of.at(layer.module), layer.block) = layer.bits;
  }
  return heat_map_svg(map);
}

std::string choice_table(const RunReport& r) {
  std::string out =
      "<details><summary>All choices</summary>\n<div class=\"wide\"><table><thead><tr>"
      "<th>block</th><th class=\"name\">module</th><th class=\"name\">recipe</th><th>bits</th>"
      "<th>predicted loss</th><th>with the method's own</th></tr></thead>\n<tbody>\n";
  for (const LayerReport& layer : r.layers) {
    out += fmt::format(
        "<tr><td>{}</td><td class=\"name\">{}</td><td class=\"name\">{}</td><td>{:.3f}</td>"
        "<td>{:.4g}</td><td>{:.4g}</td></tr>\n",
        layer.block, escape_html(layer.module), escape_html(layer.allocated.recipe), layer.bits,
        layer.allocated.loss, layer.allocated.own_loss);
  }
  return out + "</tbody></table></div>\n</details>\n";
}

}  // namespace

std::string allocation_section(const RunReport& r) {
  if (!std::ranges::any_of(r.layers, has_choice)) return "";
  double loss = 0, own_loss = 0;
  for (const LayerReport& layer : r.layers) {
    loss += layer.allocated.loss;
    own_loss += layer.allocated.own_loss;
  }
  return fmt::format(
             "<section><h2>Bits where they pay</h2>\n<p>The recipe of each layer, chosen under one "
             "budget for all. Predicted loss in sum {:.4g}; with the method's own settings in "
             "every layer, whatever they cost, {:.4g}.</p>\n",
             loss, own_loss) +
         bits_map(r) + choice_table(r) + "</section>\n";
}

}  // namespace tessera::jobs
