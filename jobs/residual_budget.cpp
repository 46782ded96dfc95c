#include "jobs/residual_budget.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/knapsack.hpp"
#include "residual/knee.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::jobs {
namespace {

std::uint64_t fetched_bytes(const LayerReport& layer, std::uint64_t k_chunk, std::uint64_t bits) {
  const std::uint64_t channels = residual::num_selected(layer.in_features, k_chunk);
  return channels == 0 ? 0 : channels * (layer.out_features * bits / 8) + 2 * layer.out_features;
}

/// The ways of compensating a layer: bytes that each fetches, and the error that it leaves.
struct LayerOptions {
  std::vector<std::uint64_t> k_chunk;
  std::vector<KnapsackOption> options;
};

LayerOptions options_of(const LayerReport& layer, std::uint64_t bits) {
  LayerOptions found;
  for (const residual::CompensationPoint& point : layer.compensation) {
    if (point.rule != residual::SelectionRule::exact) continue;
    found.k_chunk.push_back(point.k_chunk);
    found.options.push_back({fetched_bytes(layer, point.k_chunk, bits), point.error});
  }
  return found;
}

std::uint64_t bytes_of_device(const std::string& device, const std::vector<LayerReport>& layers) {
  double base = 0;
  for (const LayerReport& layer : layers) {
    base += layer.bits / 8 * static_cast<double>(layer.in_features * layer.out_features);
  }
  for (const residual::GpuProfile& gpu : residual::known_gpus()) {
    if (gpu.name != device) continue;
    return static_cast<std::uint64_t>(base * gpu.pcie_gb_per_second / gpu.memory_gb_per_second);
  }
  throw Bug("a device whose name was checked is known");
}

std::uint64_t largest_uniform(const std::vector<LayerReport>& layers, std::uint64_t bits,
                              std::uint64_t budget) {
  for (std::uint64_t k_chunk = residual::kChunk; k_chunk > 0; --k_chunk) {
    std::uint64_t bytes = 0;
    for (const LayerReport& layer : layers) bytes += fetched_bytes(layer, k_chunk, bits);
    if (bytes <= budget) return k_chunk;
  }
  return 0;
}

}  // namespace

std::optional<ResidualBudget> plan_residual_budget(const PreparedRun& prepared,
                                                   const std::vector<LayerReport>& all_layers) {
  const residual::ResidualSettings& settings = prepared.job.residual;
  if (!settings.budget.is_wanted()) return std::nullopt;
  const auto bits = static_cast<std::uint64_t>(settings.bits);
  std::vector<LayerReport> layers;  // those that have residuals
  std::vector<std::string> names;
  for (std::size_t l = 0; l < all_layers.size(); ++l) {
    if (all_layers[l].is_kept) continue;
    layers.push_back(all_layers[l]);
    names.push_back(prepared.units[l].layer.name);
  }
  ResidualBudget budget;
  budget.bytes_per_token = settings.budget.device.empty()
                               ? settings.budget.bytes_per_token
                               : bytes_of_device(settings.budget.device, layers);
  budget.text = fmt::format("bytes_per_token {}", budget.bytes_per_token);
  if (!settings.budget.device.empty()) {
    budget.text += fmt::format(" (predicted for {})", settings.budget.device);
  }
  std::vector<std::vector<std::uint64_t>> k_chunks;
  std::vector<std::vector<KnapsackOption>> options;
  for (const LayerReport& layer : layers) {
    LayerOptions found = options_of(layer, bits);
    k_chunks.push_back(std::move(found.k_chunk));
    options.push_back(std::move(found.options));
  }
  const auto chosen = choose_within_budget(options, budget.bytes_per_token);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    budget.k_chunk_of[names[l]] = k_chunks[l][chosen[l]];
  }
  budget.uniform_k_chunk = largest_uniform(layers, bits, budget.bytes_per_token);
  return budget;
}

}  // namespace tessera::jobs
