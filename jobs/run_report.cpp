#include "jobs/run_report.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace tessera::jobs {

bool RunReport::is_degraded() const {
  return std::ranges::any_of(layers, &LayerReport::is_degraded);
}

double RunReport::total_seconds() const {
  return std::accumulate(stages.begin(), stages.end(), 0.0,
                         [](double sum, const StageReport& stage) { return sum + stage.seconds; });
}

std::string RunReport::model_dir() const {
  return is_published() ? output_dir : output_dir + ".partial";
}

int exit_code(const RunReport& report) {
  if (!report.is_published()) return 4;
  return report.is_degraded() ? 3 : 0;
}

namespace {

/// A field of a CSV row (RFC 4180): quoted where it holds what separates fields.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

namespace {

/// Empty where the job sets no budget.
std::string allocated_fields(const RecipeReport& allocated) {
  if (allocated.recipe.empty()) return ",,";
  return fmt::format("{},{:.6g},{:.6g}", csv_field(allocated.recipe), allocated.loss,
                     allocated.own_loss);
}

}  // namespace

std::string quant_log_csv(const std::vector<LayerReport>& layers) {
  std::string csv =
      "block,module,in_features,out_features,bits,proxy_error,seconds,damp_fraction,dead_columns,"
      "degraded,remarks,ladder,recipe,predicted_loss,predicted_own_loss\n";
  for (const LayerReport& row : layers) {
    csv += fmt::format("{},{},{},{},{:.6g},{:.6g},{:.3f},{:.6g},{},{},{},{},{}\n", row.block,
                       csv_field(row.module), row.in_features, row.out_features, row.bits,
                       row.proxy_error, row.seconds, row.damp_fraction, row.num_dead_columns,
                       row.is_degraded ? 1 : 0,
                       csv_field(fmt::format("{}", fmt::join(row.remarks, " "))),
                       csv_field(text_of(row.ladder)), allocated_fields(row.allocated));
  }
  return csv;
}

}  // namespace tessera::jobs
