#include "jobs/stages/allocate.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "core/knapsack.hpp"
#include "format/vptq_sizes.hpp"
#include "jobs/depth_groups.hpp"
#include "jobs/measure_divergences.hpp"
#include "jobs/measure_recipes.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/recipes.hpp"
#include "jobs/settings/layer_choice.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {
namespace {

using Measurements = std::vector<MeasuredLayer>;  // by unit

Measurements load_measurements(const PreparedRun& prepared, const WorkFolder& work) {
  Measurements measured(prepared.units.size());
  for (std::size_t u = 0; u < measured.size(); ++u) {
    work.load(measured_file(prepared.units[u].layer), "measured", measured[u]);
    measured[u].rough = {};
  }
  return measured;
}

/// By unit, the part of what is gained without the errors of its kind and group that is its own, by
/// its share in their errors; gains that are lost in the noise are none.
std::vector<double> measured_losses(const PreparedRun& prepared, const WorkFolder& work,
                                    const Measurements& measured) {
  const auto groups = depth_groups(prepared.job, prepared.config.num_blocks);
  std::vector<double> losses(measured.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    GroupDivergence found;
    work.load(divergence_file(g), "divergence", found);
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      std::vector<std::size_t> members;
      double error = 0;
      for (std::size_t u = 0; u < measured.size(); ++u) {
        const model::LinearLayer& layer = prepared.units[u].layer;
        if (layer.block < groups[g].begin || layer.block >= groups[g].end) continue;
        if (kind_of(layer) != found.kinds[k]) continue;
        members.push_back(u);
        error += measured[u].error.front();
      }
      const double gain = std::max(found.of_all - found.without[k], 0.0);
      for (const std::size_t u : members) {
        losses[u] = error > 0 ? gain * measured[u].error.front() / error : 0;
      }
    }
  }
  return losses;
}

/// What a unit of a layer's output error costs, by unit: half by what was measured, half by what
/// one recipe for all takes for granted, that a bit pays the same everywhere. Then a layer's loss
/// goes by its number of weights, since errors fall by the same factor with each bit. Few tokens
/// tell the small layers' gains from the noise badly, and a choice that follows the noise is worse
/// than none.
std::vector<double> divergence_weights(const PreparedRun& prepared, const WorkFolder& work,
                                       const Measurements& measured) {
  constexpr double kMeasuredShare = 0.5;
  std::vector<double> weights = measured_losses(prepared, work, measured);
  const double gain = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double all = gain > 0 ? gain : 1;
  double num_weights = 0;
  const auto size_of = [&](std::size_t u) {
    const model::LinearLayer& layer = prepared.units[u].layer;
    return static_cast<double>(layer.in_features) * static_cast<double>(layer.out_features);
  };
  for (std::size_t u = 0; u < weights.size(); ++u) num_weights += size_of(u);
  for (std::size_t u = 0; u < weights.size(); ++u) {
    const double error = measured[u].error.front();
    const double loss =
        kMeasuredShare * weights[u] + (1 - kMeasuredShare) * all * size_of(u) / num_weights;
    weights[u] = error > 0 ? loss / error : 0;
  }
  return weights;
}

std::vector<double> loss_weights(const PreparedRun& prepared, const WorkFolder& work,
                                 const Measurements& measured) {
  const LossMeasure measure = prepared.job.quantize.budget.measure;
  if (measure == LossMeasure::divergence) return divergence_weights(prepared, work, measured);
  std::vector<double> weights(measured.size(), 1.0);
  if (measure == LossMeasure::output_error) return weights;
  for (std::size_t u = 0; u < weights.size(); ++u) {
    weights[u] = measured[u].output > 0 ? 1 / measured[u].output : 0;
  }
  return weights;
}

Allocation choose(const PreparedRun& prepared, const WorkFolder& work) {
  const Measurements measured = load_measurements(prepared, work);
  const std::vector<double> weights = loss_weights(prepared, work, measured);
  const auto errors = errors_of_recipes(prepared, measured);
  std::vector<std::vector<KnapsackOption>> options(measured.size());
  for (std::size_t u = 0; u < options.size(); ++u) {
    const std::vector<Recipe> recipes = recipes_of(prepared.job, prepared.units[u]);
    require(recipes.size() == errors[u].size(), "every recipe of a layer is measured");
    for (std::size_t r = 0; r < recipes.size(); ++r) {
      options[u].push_back({recipes[r].bits, weights[u] * errors[u][r]});
    }
  }
  const auto chosen = choose_within_budget(options, budget_bits(prepared.job, prepared.units));
  Allocation allocation;
  for (std::size_t u = 0; u < chosen.size(); ++u) {
    allocation.recipe.push_back(chosen[u]);
    allocation.loss.push_back(options[u][chosen[u]].loss);
    allocation.own_loss.push_back(options[u].front().loss);
  }
  return allocation;
}

/// How many layers got which recipe, and what only some engines cannot run.
void say(Log& log, const PreparedRun& prepared, const std::vector<LayerUnit>& units) {
  std::map<std::string, std::size_t> num_with;
  std::set<std::string> problems;
  for (const LayerUnit& unit : units) {
    ++num_with[recipe_text(unit)];
    const auto sizes = planned_sizes(unit, scale_type(prepared.job.output));
    if (const auto* codebooks = std::get_if<solver::VptqLayer>(&sizes)) {
      for (const std::string& problem : format::gpu_problems(*codebooks)) problems.insert(problem);
    }
  }
  std::string text;
  for (const auto& [recipe, count] : num_with) {
    text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, recipe);
  }
  log.info("recipes: " + text);
  for (const std::string& problem : problems) {
    log.warning(fmt::format("{} The model loads on a CPU only.", problem));
  }
}

}  // namespace

std::vector<LayerUnit> allocate(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  const BudgetSettings& budget = prepared.job.quantize.budget;
  if (!budget.is_wanted()) return prepared.units;
  if (!work.is_committed(kAllocationFile)) {
    measure_recipes(run, prepared, work);
    if (budget.measure == LossMeasure::divergence) measure_divergences(run, prepared, work);
    cluster::on_first_rank(
        run.comm, [&] { work.commit(kAllocationFile, "allocation", choose(prepared, work)); });
    work.refresh();
  }
  Allocation allocation;
  work.load(kAllocationFile, "allocation", allocation);
  std::vector<LayerUnit> units;
  for (std::size_t u = 0; u < prepared.units.size(); ++u) {
    auto recipes = recipes_of(prepared.job, prepared.units[u]);
    const bool has_own = has_override(prepared.job.quantize, prepared.units[u].layer.name);
    units.push_back(std::move(recipes.at(has_own ? 0 : allocation.recipe.at(u)).unit));
  }
  say(run.log, prepared, units);
  return units;
}

}  // namespace tessera::jobs
