#include "jobs/report_html.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/human_text.hpp"
#include "jobs/html_charts.hpp"
#include "jobs/html_page.hpp"
#include "jobs/report_allocation.hpp"
#include "jobs/report_residual.hpp"

namespace tessera::jobs {
namespace {

std::string size_text(std::uint64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

std::string error_text(double error) {
  return fmt::format("{:.3g}", error);
}

std::string tiles(const RunReport& r) {
  std::string out = "<div class=\"tiles\">\n";
  out += html_tile("Bits per weight", fmt::format("{:.3f}", r.bits_per_weight),
                   fmt::format("over {} quantized layers, everything counted", r.layers.size()));
  if (r.bytes_before > 0) {
    out +=
        html_tile("Size", size_text(r.bytes_after),
                  fmt::format("was {}; {:.2f} times smaller, with what is not quantized",
                              size_text(r.bytes_before),
                              static_cast<double>(r.bytes_before) /
                                  static_cast<double>(std::max<std::uint64_t>(r.bytes_after, 1))));
  }
  if (r.quantized) {
    std::string before = r.original ? fmt::format("was {:.3f}; ", r.original->perplexity) : "";
    out += html_tile("Perplexity", fmt::format("{:.3f}", r.quantized->perplexity),
                     fmt::format("{}context length {}, {} tokens", before,
                                 r.quantized->context_length, r.quantized->num_tokens));
  }
  out += html_tile(
      "Time", duration_text(r.total_seconds()),
      fmt::format("{} {} on {}", r.machine.num_threads,
                  r.machine.num_threads == 1 ? "thread" : "threads", r.machine.processor));
  out += html_tile("Peak memory", size_text(r.peak_memory_bytes),
                   fmt::format("resident, of {}", size_text(r.machine.memory_bytes)));
  return out + "</div>\n";
}

/// Rows are modules in the order in which they first appear, columns are blocks.
HeatMap layer_map(const RunReport& r, const std::string& title, double LayerReport::*measure,
                  std::string (*format)(double)) {
  HeatMap map;
  map.title = title;
  map.column_name = "block";
  map.format = format;
  std::map<std::string, std::size_t> row_of;
  for (const LayerReport& layer : r.layers) {
    if (row_of.emplace(layer.module, map.rows.size()).second) map.rows.push_back(layer.module);
    map.num_columns = std::max(map.num_columns, layer.block + 1);
  }
  map.values.resize(map.rows.size() * map.num_columns);
  for (const LayerReport& layer : r.layers) {
    map.at(row_of.at(layer.module), layer.block) = layer.*measure;
  }
  return map;
}

std::string error_section(const RunReport& r) {
  if (r.layers.empty()) return "";
  return html_section(
      "Error per layer",
      fmt::format("Relative proxy error of the stored weights under the layer's own inputs: 0 is "
                  "exact, 1 is as bad as no layer. Mean {:.4f}.",
                  r.mean_proxy_error),
      heat_map_svg(layer_map(r, "Error per layer", &LayerReport::proxy_error, error_text)));
}

std::string time_section(const RunReport& r) {
  std::vector<Bar> bars;
  for (const StageReport& stage : r.stages) {
    bars.push_back({stage.name, stage.seconds, duration_text(stage.seconds)});
  }
  std::string body = bars_svg("Time per stage", bars);
  if (!r.layers.empty()) {
    body += "<h3>Solving, per layer</h3>\n" +
            heat_map_svg(layer_map(r, "Time per layer", &LayerReport::seconds, duration_text));
  }
  return html_section("Time", "Wall time of each stage, over all attempts of this run.", body);
}

std::string perplexity_section(const RunReport& r) {
  if (!r.original || !r.quantized) return "";
  const auto bar = [](const std::string& label, const evaluation::Perplexity& p) {
    return Bar{label, p.perplexity, fmt::format("{:.3f}", p.perplexity)};
  };
  std::string text = fmt::format(
      "{} windows of {} tokens that do not overlap, no BOS; {} predicted tokens. Quantized over "
      "original: {:.3f}",
      r.quantized->num_windows, r.quantized->context_length, r.quantized->num_tokens,
      r.quantized->perplexity / r.original->perplexity);
  text += r.max_perplexity_ratio ? fmt::format(" (the gate allows {}).", *r.max_perplexity_ratio)
                                 : " (the job sets no gate).";
  if (r.divergence) {
    text += fmt::format(
        " The packed model's next tokens diverge from the original's by {:.4f} nats in the mean "
        "(Kullback-Leibler){}.",
        *r.divergence,
        r.max_divergence ? fmt::format("; the gate allows {}", *r.max_divergence) : "");
  }
  return html_section(
      "Perplexity", text,
      bars_svg("Perplexity", {bar("original", *r.original), bar("quantized", *r.quantized)}));
}

std::string notes_section(const RunReport& r) {
  std::string items;
  for (const std::string& problem : r.gate_problems) {
    items += fmt::format("<li class=\"bad\"><b>not published</b>: {}</li>\n", escape_html(problem));
  }
  for (const LayerReport& layer : r.layers) {
    for (const std::string& remark : layer.remarks) {
      items +=
          fmt::format("<li{}>block {} {}: {}</li>\n", layer.is_degraded ? " class=\"bad\"" : "",
                      layer.block, escape_html(layer.module), escape_html(remark));
    }
  }
  if (items.empty()) return "";
  return html_section("Noteworthy", "What was degenerate or failed, and how it was handled.",
                      "<ul>\n" + items + "</ul>\n");
}

/// Every try at the layers that failed at first.
std::string ladder_section(const RunReport& r) {
  std::string rows;
  for (const LayerReport& layer : r.layers) {
    for (const Rung& rung : layer.ladder) {
      rows += fmt::format(
          "<tr><td>{}</td><td class=\"name\">{}</td><td class=\"name\">{}</td>"
          "<td class=\"name\">{}</td></tr>\n",
          layer.block, escape_html(layer.module), escape_html(rung.tried),
          rung.problem.empty() ? "held" : escape_html(rung.problem));
    }
  }
  if (rows.empty()) return "";
  return html_section(
      "Layers that failed at first",
      "They were put aside until the others were solved, then tried rung by rung "
      "(quantize.ladder).",
      "<div class=\"wide\"><table><thead><tr><th>block</th><th class=\"name\">module</th>"
      "<th class=\"name\">tried</th><th class=\"name\">what came of it</th></tr></thead>\n"
      "<tbody>\n" +
          rows + "</tbody></table></div>\n");
}

std::string layer_table(const std::vector<LayerReport>& layers) {
  std::string out =
      "<div class=\"wide\"><table><thead><tr><th>block</th><th class=\"name\">module</th>"
      "<th>in</th><th>out</th><th>bits</th><th>error</th><th>seconds</th><th>damping</th>"
      "<th>dead inputs</th></tr></thead>\n<tbody>\n";
  for (const LayerReport& l : layers) {
    out += fmt::format(
        "<tr><td>{}</td><td class=\"name\">{}</td><td>{}</td><td>{}</td><td>{:.3f}</td>"
        "<td>{:.4f}</td><td>{:.2f}</td><td>{:g}</td><td>{}</td></tr>\n",
        l.block, escape_html(l.module), l.in_features, l.out_features, l.bits, l.proxy_error,
        l.seconds, l.damp_fraction, l.num_dead_columns);
  }
  return out + "</tbody></table></div>\n";
}

std::string tables_section(const RunReport& r) {
  if (r.layers.empty()) return "";
  constexpr std::size_t kWorst = 10;
  std::vector<LayerReport> worst = r.layers;
  std::ranges::stable_sort(worst, std::greater{}, &LayerReport::proxy_error);
  worst.resize(std::min(worst.size(), kWorst));
  return html_section(
      "Layers", "Those with the largest error first; quant_log.csv holds all of them.",
      layer_table(worst) +
          html_folded(fmt::format("All {} layers", r.layers.size()), layer_table(r.layers)));
}

std::string job_section(const RunReport& r) {
  const std::string facts = fmt::format(
      "Calibrated on {} samples of {} tokens. Output in {}, work files in {}. Fingerprint {}.",
      r.num_samples, r.sample_length, r.model_dir(), r.work_dir, r.fingerprint);
  return html_section(
      "Job", facts,
      html_folded("The job as understood", "<pre>" + escape_html(r.job_text) + "</pre>\n"));
}

}  // namespace

std::string report_html(const RunReport& r) {
  const std::string body = tiles(r) + notes_section(r) + ladder_section(r) + perplexity_section(r) +
                           residual_section(r) + allocation_section(r) + error_section(r) +
                           time_section(r) + tables_section(r) + job_section(r);
  return html_page("Tessera: " + r.model, r.model,
                   r.is_published() ? "quantized into " + r.model_dir()
                                    : "not published; kept in " + r.model_dir(),
                   body, "tessera " + r.version);
}

}  // namespace tessera::jobs
