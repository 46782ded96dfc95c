#include "jobs/report_residual.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "core/describe.hpp"
#include "core/human_text.hpp"
#include "jobs/html_charts.hpp"

namespace tessera::jobs {
namespace {

std::string perplexity_text(const RunReport& r, double perplexity) {
  if (!r.original || !r.quantized) return "";
  const double gap = r.quantized->perplexity - r.original->perplexity;
  const double closed = gap > 0 ? (r.quantized->perplexity - perplexity) / gap : 0;
  return fmt::format("{:.1f} %", 100 * closed);
}

std::string curve(const RunReport& r) {
  if (r.compensated.empty() || !r.quantized) return "";
  Curve drawn;
  drawn.title = "Perplexity by channels compensated of each 1024";
  drawn.x_name = "k_chunk";
  drawn.points.push_back({0, r.quantized->perplexity});
  for (const CompensatedReport& score : r.compensated) {
    if (score.k_chunk > 0 && !score.is_by_layer) {
      drawn.points.push_back({static_cast<double>(score.k_chunk), score.perplexity});
    }
  }
  if (r.original) drawn.level = {r.original->perplexity, "original"};
  return curve_svg(drawn);
}

std::string score_table(const RunReport& r) {
  if (r.compensated.empty()) return "";
  std::string out =
      "<div class=\"wide\"><table><thead><tr><th>k_chunk</th><th>fetched a token</th>"
      "<th>recall of the largest inputs</th><th>perplexity</th><th>of the gap closed</th></tr>"
      "</thead>\n<tbody>\n";
  for (const CompensatedReport& score : r.compensated) {
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{:.3f}</td><td>{:.3f}</td><td>{}</td></tr>\n",
                       score.is_by_layer ? std::string("by layer") : std::to_string(score.k_chunk),
                       bytes_text(static_cast<double>(score.bytes_per_token)), score.recall,
                       score.perplexity, perplexity_text(r, score.perplexity));
  }
  return out + "</tbody></table></div>\n";
}

/// Mean over the blocks of what one way of choosing leaves of one kind of layer.
struct Mean {
  double error = 0, recall = 0;
  std::size_t count = 0;
};

using RuleAndChunk = std::pair<std::uint64_t, std::string>;

std::string rule_table(const RunReport& r) {
  std::vector<std::string> modules;
  std::map<RuleAndChunk, std::map<std::string, Mean>> means;
  for (const LayerReport& layer : r.layers) {
    if (layer.compensation.empty()) continue;
    if (std::ranges::find(modules, layer.module) == modules.end()) modules.push_back(layer.module);
    for (const auto& point : layer.compensation) {
      Mean& mean = means[{point.k_chunk, std::string(name_of_value(point.rule))}][layer.module];
      mean.error += point.error;
      mean.recall += point.recall;
      ++mean.count;
    }
  }
  if (means.empty()) return "";
  std::string out =
      "<div class=\"wide\"><table><thead><tr><th>k_chunk</th><th class=\"name\">chosen</th>";
  for (const std::string& module : modules) out += fmt::format("<th>{}</th>", escape_html(module));
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& [rule, of_module] : means) {
    out += fmt::format("<tr><td>{}</td><td class=\"name\">{}</td>", rule.first, rule.second);
    for (const std::string& module : modules) {
      const Mean& mean = of_module.at(module);
      const auto count = static_cast<double>(mean.count);
      out += fmt::format("<td>{:.4f} ({:.2f})</td>", mean.error / count, mean.recall / count);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace

std::string residual_section(const RunReport& r) {
  if (r.residual_bytes == 0) return "";
  std::string out = fmt::format(
      "<section><h2>Residuals</h2>\n<p>What quantization lost, in {} beside the model; the "
      "channels a "
      "token makes salient are fetched and added. Every position compensated; the largest inputs "
      "of "
      "each 1024 channels chosen.</p>\n",
      escape_html(bytes_text(static_cast<double>(r.residual_bytes))));
  out += curve(r) + score_table(r);
  const std::string rules = rule_table(r);
  if (!rules.empty()) {
    out +=
        "<h3>Error left, by how channels are chosen</h3>\n<p>Of the layer's output, relative, over "
        "some calibration tokens, the mean over the blocks; in brackets the recall of the largest "
        "inputs.</p>\n" +
        rules;
  }
  return out + "</section>\n";
}

}  // namespace tessera::jobs
