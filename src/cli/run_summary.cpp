#include "cli/run_summary.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "core/human_text.hpp"

namespace tessera::cli {
namespace {

std::string row(std::string_view name, const std::string& before, const std::string& after,
                const std::string& note) {
  std::string line = fmt::format("  {:<18} {:>10} {:>10}  {}", name, before, after, note);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string size_text(std::uint64_t bytes) {
  return bytes == 0 ? "" : bytes_text(static_cast<double>(bytes));
}

std::string perplexity_row(const jobs::RunReport& r) {
  if (!r.quantized) return row("perplexity", "", "", "not measured (the job names no text)");
  return row("perplexity", r.original ? fmt::format("{:.3f}", r.original->perplexity) : "",
             fmt::format("{:.3f}", r.quantized->perplexity),
             fmt::format("context length {}, {} tokens", r.quantized->context_length,
                         r.quantized->num_tokens));
}

std::string divergence_row(const jobs::RunReport& r) {
  if (!r.divergence) return "";
  return row("divergence", "", fmt::format("{:.4f}", *r.divergence),
             "mean, of the next token, from the original; in nats");
}

std::string stages_text(const jobs::RunReport& r) {
  std::string text;
  for (const jobs::StageReport& stage : r.stages) {
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", stage.name, duration_text(stage.seconds));
  }
  return text;
}

std::string python_lines(const std::string& folder, const std::string& packages) {
  // The folder between quotes of Python: what would end or change the text is escaped.
  std::string quoted;
  for (const char c : folder) {
    if (c == '\\' || c == '"') quoted += '\\';
    quoted += c;
  }
  return fmt::format(
      "load it in Python (pip install {}):\n"
      "  from transformers import AutoModelForCausalLM\n"
      "  model = AutoModelForCausalLM.from_pretrained(\"{}\")\n",
      packages, quoted);
}

std::string noteworthy(const jobs::RunReport& r) {
  std::string text;
  const auto num_degraded = std::ranges::count_if(r.layers, &jobs::LayerReport::is_degraded);
  if (num_degraded > 0) {
    text = fmt::format("{} of {} layers could not be quantized as the others were (exit code 3)\n",
                       num_degraded, r.layers.size());
  }
  for (const jobs::LayerReport& layer : r.layers) {
    if (!layer.is_degraded) continue;
    text += fmt::format("degraded: block {} {}: {}\n", layer.block, layer.module,
                        layer.remarks.empty() ? "see the report" : layer.remarks.front());
  }
  for (const std::string& problem : r.gate_problems) text += "not published: " + problem + "\n";
  return text;
}

}  // namespace

std::string run_summary(const jobs::RunReport& r) {
  std::string text;
  if (r.was_finished_before) text = "nothing was left to do; these are the stored results\n\n";
  text += row("", "before", "after", "");
  text += row("bits per weight", "", fmt::format("{:.3f}", r.bits_per_weight),
              fmt::format("{} quantized layers, everything counted", r.layers.size()));
  text += row("size", size_text(r.bytes_before), size_text(r.bytes_after),
              "weight files, with what is not quantized");
  text += perplexity_row(r) + divergence_row(r);
  text += row("time", "", duration_text(r.total_seconds()), stages_text(r));
  text += row("peak memory", "", size_text(r.peak_memory_bytes), "");
  text += "\n" + noteworthy(r);
  text += fmt::format("{:<7} {}\n", r.is_published() ? "output" : "kept in", r.model_dir());
  text += fmt::format("report  {}/report.html\n", r.work_dir);
  if (r.is_published()) text += python_lines(r.model_dir(), r.packages);
  return text;
}

}  // namespace tessera::cli
