#include "jobs/recipes.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/settings/layer_choice.hpp"

namespace tessera::jobs {
namespace {

std::vector<RecipeChange> codebooks_around(const solver::VptqSettings& own) {
  constexpr int kSmallest = 2, kLargest = 65536, kResidual[] = {16, 256};
  std::vector<RecipeChange> changes;
  for (int size = std::max(kSmallest, own.num_centroids / 4);
       size <= std::min(kLargest, own.num_centroids * 16); size *= 2) {
    if (size < own.num_res_centroids) continue;
    changes.emplace_back().num_centroids = size;
  }
  for (const int size : kResidual) {
    if (size <= own.num_centroids) changes.emplace_back().num_res_centroids = size;
  }
  return changes;
}

std::vector<RecipeChange> integers_around(const solver::IntegerSettings& own) {
  if (own.quantizes_input()) return {};
  std::vector<int> group_sizes = {own.group_size};
  if (own.effective_granularity() == solver::Granularity::group) group_sizes = {128, 64, 32};
  std::vector<RecipeChange> changes;
  for (const auto scheme : {solver::Scheme::w2a16, solver::Scheme::w3a16, solver::Scheme::w4a16,
                            solver::Scheme::w8a16}) {
    for (const int group_size : group_sizes) {
      RecipeChange& change = changes.emplace_back();
      change.scheme = scheme;
      change.group_size = group_size;
    }
  }
  return changes;
}

template <class Value>
void take(const std::optional<Value>& change, Value& value) {
  if (change) value = *change;
}

LayerUnit changed(const LayerUnit& unit, const RecipeChange& change) {
  LayerUnit other = unit;
  if (unit.makes_integers()) {
    solver::IntegerSettings& settings = std::get<solver::AweqSettings>(other.settings).integers;
    take(change.scheme, settings.scheme);
    take(change.group_size, settings.group_size);
  } else {
    auto& settings = std::get<solver::VptqSettings>(other.settings);
    take(change.vector_len, settings.vector_len);
    take(change.num_centroids, settings.num_centroids);
    take(change.num_res_centroids, settings.num_res_centroids);
    take(change.num_groups, settings.num_groups);
  }
  return other;
}

/// Of the residual's own tensors (format/residual_tensors.hpp).
std::uint64_t residual_bits(const model::LinearLayer& layer, std::uint64_t bits) {
  if (bits == 0) return 0;
  const std::uint64_t of_channels = layer.in_features * (32 + 16 + 32);
  return bits * layer.in_features * layer.out_features + 16 * layer.out_features + of_channels;
}

/// Whether the layer can have these settings; sizes that it has then are left in @p recipe.
bool is_possible(const QuantizeJob& job, Recipe& recipe) {
  try {
    const auto sizes = planned_sizes(recipe.unit, scale_type(job.output));
    if (!format_problems(job.output.format, sizes).empty()) return false;
    recipe.bits = packed_bits(job.output.format, recipe.unit.layer, sizes);
  } catch (const InputError&) {
    return false;  // the settings do not suit its shape
  }
  recipe.bits += residual_bits(recipe.unit.layer, static_cast<std::uint64_t>(job.residual.bits));
  return true;
}

std::uint64_t num_weights(const std::vector<LayerUnit>& units) {
  std::uint64_t weights = 0;
  for (const LayerUnit& unit : units) weights += unit.layer.in_features * unit.layer.out_features;
  return weights;
}

}  // namespace

std::vector<RecipeChange> recipe_changes(const QuantizeSettings& settings) {
  std::vector<RecipeChange> changes = settings.budget.candidates;
  if (changes.empty()) {
    changes = settings.method == Method::vptq
                  ? codebooks_around(settings.vptq)
                  : integers_around(integer_settings_for(settings, "").integers);
  }
  changes.insert(changes.begin(), RecipeChange());
  return changes;
}

std::vector<Recipe> recipes_of(const QuantizeJob& job, const LayerUnit& unit) {
  std::vector<Recipe> recipes;
  for (const RecipeChange& change : recipe_changes(job.quantize)) {
    Recipe recipe{changed(unit, change)};
    const bool is_there = std::ranges::any_of(
        recipes, [&](const Recipe& other) { return other.unit.settings == recipe.unit.settings; });
    if (!is_there && is_possible(job, recipe)) recipes.push_back(std::move(recipe));
    if (has_override(job.quantize, unit.layer.name)) break;
  }
  require(!recipes.empty() && recipes.front().unit.settings == unit.settings,
          "the format holds every layer with the method's own settings");
  return recipes;
}

std::string recipe_text(const LayerUnit& unit) {
  if (!unit.makes_integers()) {
    const solver::VptqSettings& s = unit.vptq();
    std::string text = fmt::format("v={} K={}", s.vector_len, s.num_centroids);
    if (s.num_res_centroids > 0) text += fmt::format(" Kr={}", s.num_res_centroids);
    if (s.num_groups > 1) text += fmt::format(" groups={}", s.num_groups);
    return text;
  }
  const solver::IntegerSettings& s = unit.aweq().integers;
  const bool has_groups = s.effective_granularity() == solver::Granularity::group;
  return std::string(name_of_value(s.scheme)) +
         (has_groups ? fmt::format(" group {}", s.group_size)
                     : " " + std::string(name_of_value(s.effective_granularity())));
}

std::uint64_t budget_bits(const QuantizeJob& job, const std::vector<LayerUnit>& units) {
  return static_cast<std::uint64_t>(job.quantize.budget.bits_per_weight *
                                    static_cast<double>(num_weights(units)));
}

void require_possible_budget(const QuantizeJob& job, const std::vector<LayerUnit>& units) {
  if (!job.quantize.budget.is_wanted()) return;
  std::uint64_t least = 0;
  for (const LayerUnit& unit : units) {
    const std::vector<Recipe> recipes = recipes_of(job, unit);
    least += std::ranges::min_element(recipes, {}, &Recipe::bits)->bits;
  }
  if (least <= budget_bits(job, units)) return;
  constexpr double kDigits = 1e4;  // rounded up: what is named is possible
  const double possible =
      std::ceil(kDigits * static_cast<double>(least) / static_cast<double>(num_weights(units))) /
      kDigits;
  throw InputError(fmt::format(
      "quantize.budget.bits_per_weight is {} (the cheapest candidates of all layers take {:.4f}, "
      "codebooks, scales and residuals counted). Raise it, or give cheaper candidates in "
      "quantize.budget.candidates.",
      job.quantize.budget.bits_per_weight, possible));
}

}  // namespace tessera::jobs
