#include "jobs/plan.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "calibration/flat_statistics.hpp"
#include "core/error.hpp"
#include "jobs/settings/layer_choice.hpp"

namespace tessera::jobs {
namespace {

/// Numbers of a slab at most: 128 MiB, so that the input of a 70B model's down projection (28,672
/// channels, 3.3 GB) is cut into some 25 that many ranks can own.
constexpr std::size_t kSlabNumbers = std::size_t{1} << 24;

void require_overrides_used(const std::vector<LayerUnit>& units, const QuantizeSettings& settings) {
  for (const LayerOverride& entry : settings.overrides) {
    const bool is_used = std::ranges::any_of(
        units, [&](const LayerUnit& unit) { return matches(entry.match, unit.layer.name); });
    require_input(is_used, fmt::format("quantize.overrides has '{}' (it matches no layer that is "
                                       "quantized, such as {}). Mend the pattern or remove it.",
                                       entry.match, units.back().layer.name));
  }
}

/// "mlp_input", "mlp_input-expert-00003"
std::string file_name_of(const model::InputKey& key) {
  const auto role = model::name_of(key.role);
  return key.expert ? fmt::format("{}-expert-{:05}", role, *key.expert) : std::string(role);
}

}  // namespace

std::vector<LayerUnit> plan_units(const model::ModelConfig& config,
                                  const QuantizeSettings& settings) {
  std::vector<LayerUnit> units;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (auto& layer : model::linear_layers(config, block)) {
      if (!is_target(settings, layer.name)) continue;
      LayerUnit unit{layer, vptq_settings_for(settings, layer.name)};
      if (settings.method != Method::vptq)
        unit.settings = integer_settings_for(settings, layer.name);
      units.push_back(std::move(unit));
    }
  }
  if (units.empty()) {
    throw InputError(fmt::format(
        "quantize.targets is ['{}'] (no linear layer of the model matches and is not ignored; they "
        "are called such as {}). Choose other patterns.",
        fmt::join(settings.targets, "', '"), model::linear_layers(config, 0).back().name));
  }
  require_overrides_used(units, settings);
  return units;
}

double solve_cost(const LayerUnit& unit) {
  constexpr double kShareSearched = 0.15;     // of the centroids, where bounds prune the rest
  constexpr double kConjugateGradients = 10;  // steps of a codebook's re-estimation
  const auto m = static_cast<double>(unit.layer.out_features);
  const auto n = static_cast<double>(unit.layer.in_features);
  if (unit.makes_integers()) {
    constexpr double kRound = 3;  // products with the Hessian: scales twice, a sweep
    const solver::IntegerSettings& settings = unit.aweq().integers;
    const double passes =
        settings.rounding == solver::Rounding::rtn ? 0 : 1 + kRound * settings.refine_rounds;
    return m * n * n * (1 + passes) + n * n * n;
  }
  const double rounds = unit.vptq().refine_rounds;
  const double codebooks =
      unit.vptq().num_centroids +
      static_cast<double>(unit.vptq().residual_candidates) * unit.vptq().num_res_centroids;
  const double searches = unit.vptq().kmeans_iterations + 1 + rounds;
  return m * n * codebooks * kShareSearched * searches           // k-means and nearest centroids
         + m * n * n * (1 + rounds * (1 + kConjugateGradients))  // column pass, sweeps
         + n * n * n;                                            // the Hessian's factor
}

calibration::StatisticsExtras extras_of(const QuantizeJob& job) {
  constexpr std::size_t kRows = 256;
  const QuantizeSettings& settings = job.quantize;
  const bool balances_8_bits = settings.method == Method::aweq &&
                               settings.aweq.integers.quantizes_input() &&
                               settings.aweq.equalize != solver::Equalize::none;
  calibration::StatisticsExtras extras;
  if (balances_8_bits || job.residual.is_wanted()) {
    extras.sample =
        calibration::sample_tokens(kRows, static_cast<std::size_t>(job.calibration.num_samples),
                                   static_cast<std::size_t>(job.calibration.max_seq_length));
  }
  if (job.residual.is_wanted()) extras.k_chunk = static_cast<std::size_t>(job.residual.k_chunk);
  return extras;
}

std::vector<std::size_t> biggest_first(const std::vector<LayerUnit>& units) {
  std::vector<double> costs;
  for (const LayerUnit& unit : units) costs.push_back(solve_cost(unit));
  std::vector<std::size_t> order(units.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return costs[a] > costs[b]; });
  return order;
}

std::vector<model::InputKey> roles_of_block(const std::vector<LayerUnit>& units,
                                            std::size_t block) {
  std::set<model::InputKey> needed;
  for (const LayerUnit& unit : units) {
    if (unit.layer.block != block) continue;
    const model::InputKey key = unit.layer.input();
    needed.insert(key);
    if (key.role == model::InputRole::mlp_input) needed.insert(key.role);
  }
  return {needed.begin(), needed.end()};
}

std::vector<std::size_t> blocks_of(const std::vector<LayerUnit>& units) {
  std::vector<std::size_t> blocks;
  for (const LayerUnit& unit : units) {
    if (blocks.empty() || blocks.back() != unit.layer.block) blocks.push_back(unit.layer.block);
  }
  return blocks;
}

std::vector<SlabFile> slab_files(const model::ModelConfig& config,
                                 const std::vector<LayerUnit>& units, std::size_t block,
                                 const calibration::StatisticsExtras& extras) {
  std::vector<SlabFile> files;
  for (const auto& role : roles_of_block(units, block)) {
    const std::string name = file_name_of(role);
    const std::size_t channels = channels_of(config, role);
    const auto slabs = calibration::cut_into_slabs({channels, extras}, kSlabNumbers);
    for (std::size_t i = 0; i < slabs.size(); ++i) {
      files.push_back({role, channels, slabs[i],
                       fmt::format("calibration/block-{:05}/statistics-{}-{:05}-of-{:05}.h5", block,
                                   name, i, slabs.size()),
                       extras});
    }
  }
  return files;
}

std::string hidden_file(std::size_t block, std::size_t shard, std::size_t num_shards,
                        const std::string& folder) {
  return fmt::format("{}/block-{:05}/hidden-{:05}-of-{:05}.h5", folder, block, shard, num_shards);
}

bool is_hidden_file(const std::string& file) {
  return file.find("/hidden-") != std::string::npos;
}

std::string partial_file(const SlabFile& slab, std::size_t shard, std::size_t num_shards) {
  const std::string stem = "/statistics-";
  std::string name = slab.file;
  name.replace(name.find(stem), stem.size(), "/partial-");
  name.resize(name.size() - std::string_view(".h5").size());
  return fmt::format("{}-shard-{:05}-of-{:05}.h5", name, shard, num_shards);
}

std::string not_finite_prefix(std::size_t block) {
  return fmt::format("calibration/block-{:05}/not-finite-", block);
}

std::string not_finite_file(std::size_t block, std::size_t shard, std::size_t num_shards) {
  return fmt::format("{}{:05}-of-{:05}.h5", not_finite_prefix(block), shard, num_shards);
}

bool is_not_finite_file(const std::string& file) {
  return file.find("/not-finite-") != std::string::npos;
}

std::string equalized_file(std::size_t block) {
  return fmt::format("equalized/block-{:05}.h5", block);
}

std::string solved_file(const model::LinearLayer& layer) {
  return fmt::format("solved/block-{:05}/{}.h5", layer.block, layer.module);
}

std::string corrected_file(std::size_t block) {
  return fmt::format("{}block-{:05}.h5", kCorrectedFolder, block);
}

std::string measured_file(const model::LinearLayer& layer) {
  return fmt::format("allocation/block-{:05}/{}.h5", layer.block, layer.module);
}

std::string quarantine_file_of(const std::string& solved_file) {
  return "quarantine" + solved_file.substr(solved_file.find('/'));
}

}  // namespace tessera::jobs
