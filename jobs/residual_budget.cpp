#include "jobs/residual_budget.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/knapsack.hpp"
#include "residual/knee.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::jobs {
namespace {

/// The points that the exact rule was measured at, by rising k_chunk.
std::vector<residual::CompensationPoint> measured_points(const LayerReport& layer) {
  std::vector<residual::CompensationPoint> points;
  for (const residual::CompensationPoint& point : layer.compensation) {
    if (point.rule == residual::SelectionRule::exact) points.push_back(point);
  }
  std::ranges::sort(points, {}, &residual::CompensationPoint::k_chunk);
  return points;
}

std::uint64_t bytes_of_device(const std::string& device, const std::vector<LayerReport>& layers) {
  double base = 0;
  for (const LayerReport& layer : layers) {
    if (layer.is_kept) continue;
    base += layer.bits / 8 * static_cast<double>(layer.in_features * layer.out_features);
  }
  for (const residual::GpuProfile& gpu : residual::known_gpus()) {
    if (gpu.name != device) continue;
    return static_cast<std::uint64_t>(base * gpu.pcie_gb_per_second / gpu.memory_gb_per_second);
  }
  throw Bug("a device whose name was checked is known");
}

std::uint64_t largest_uniform(const PreparedRun& prepared, const std::vector<LayerReport>& layers,
                              std::uint64_t bits, std::uint64_t budget) {
  for (std::uint64_t k_chunk = residual::kChunk; k_chunk > 0; --k_chunk) {
    std::uint64_t bytes = 0;
    for (std::size_t u = 0; u < layers.size(); ++u) {
      if (layers[u].is_kept) continue;
      bytes += fetched_bytes(prepared.config, prepared.units[u], k_chunk, bits);
    }
    if (bytes <= budget) return k_chunk;
  }
  return 0;
}

/// What a layer may get beside the uniform k_chunk, in eighths of it. Not far from it: the losses
/// are measured there, and a layer solved for compensation was solved for that k_chunk.
constexpr std::uint64_t kEighths[] = {3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20};

std::vector<std::uint64_t> choices_around(std::uint64_t uniform) {
  if (uniform == 0) return {0, 8, 16, 32};
  std::vector<std::uint64_t> choices;
  for (const std::uint64_t eighths : kEighths) {
    const std::uint64_t k_chunk = std::min<std::uint64_t>(uniform * eighths / 8, residual::kChunk);
    if (choices.empty() || choices.back() < k_chunk) choices.push_back(k_chunk);
  }
  return choices;
}

}  // namespace

double error_left(const LayerReport& layer, std::uint64_t k_chunk) {
  const auto points = measured_points(layer);
  if (points.empty()) return 0;
  const auto above =
      std::ranges::lower_bound(points, k_chunk, {}, &residual::CompensationPoint::k_chunk);
  if (above == points.end()) return points.back().error;
  if (above->k_chunk == k_chunk) return above->error;
  const auto below = above - 1;  // k_chunk 0 is measured
  const double share = static_cast<double>(k_chunk - below->k_chunk) /
                       static_cast<double>(above->k_chunk - below->k_chunk);
  return below->error + share * (above->error - below->error);
}

std::uint64_t fetched_bytes(const model::ModelConfig& config, const LayerUnit& unit,
                            std::uint64_t k_chunk, std::uint64_t bits) {
  const model::LinearLayer& layer = unit.layer;
  const std::uint64_t channels = residual::num_selected(layer.in_features, k_chunk);
  if (channels == 0) return 0;
  const std::uint64_t bytes = channels * (layer.out_features * bits / 8) + 2 * layer.out_features;
  if (!layer.expert) return bytes;
  return (bytes * config.experts_per_token + config.num_experts - 1) / config.num_experts;
}

ResidualBudget plan_residual_budget(const PreparedRun& prepared,
                                    const std::vector<LayerReport>& layers) {
  const residual::ResidualSettings& settings = prepared.job.residual;
  ResidualBudget budget;
  budget.bytes_per_token = settings.budget.device.empty()
                               ? settings.budget.bytes_per_token
                               : bytes_of_device(settings.budget.device, layers);
  budget.text = fmt::format("bytes_per_token {}", budget.bytes_per_token);
  if (!settings.budget.device.empty()) {
    budget.text += fmt::format(" (predicted for {})", settings.budget.device);
  }
  budget.uniform_k_chunk = largest_uniform(
      prepared, layers, static_cast<std::uint64_t>(settings.bits), budget.bytes_per_token);
  return budget;
}

void share_out(ResidualBudget& budget, const PreparedRun& prepared,
               const std::vector<LayerReport>& layers, std::span<const double> losses) {
  const auto bits = static_cast<std::uint64_t>(prepared.job.residual.bits);
  const auto choices = choices_around(budget.uniform_k_chunk);
  std::vector<std::size_t> units;  // those that have residuals
  std::vector<std::vector<KnapsackOption>> options;
  for (std::size_t u = 0; u < layers.size(); ++u) {
    if (layers[u].is_kept) continue;
    const double own = error_left(layers[u], budget.uniform_k_chunk);
    std::vector<KnapsackOption> of_layer;
    for (const std::uint64_t k_chunk : choices) {
      of_layer.push_back({fetched_bytes(prepared.config, prepared.units[u], k_chunk, bits),
                          own > 0 ? losses[u] * error_left(layers[u], k_chunk) / own : 0});
    }
    units.push_back(u);
    options.push_back(std::move(of_layer));
  }
  const auto chosen = choose_within_budget(options, budget.bytes_per_token);
  for (std::size_t i = 0; i < units.size(); ++i) {
    budget.k_chunk_of[prepared.units[units[i]].layer.name] = choices[chosen[i]];
  }
}

}  // namespace tessera::jobs
