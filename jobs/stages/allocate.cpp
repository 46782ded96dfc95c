#include "jobs/stages/allocate.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "core/knapsack.hpp"
#include "format/vptq_sizes.hpp"
#include "jobs/loss_weights.hpp"
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

DivergenceStudy study_of(const PreparedRun& prepared, const WorkFolder& work) {
  const BudgetSettings& budget = prepared.job.quantize.budget;
  return {"allocate", "allocation", static_cast<std::size_t>(budget.samples),
          static_cast<std::size_t>(budget.depth_groups), [&](const EqualizedWeights& original) {
            return std::make_unique<RoughModel>(prepared, work, original);
          }};
}

/// What a unit of a layer's output error costs, by unit.
std::vector<double> divergence_weights(const PreparedRun& prepared, const WorkFolder& work,
                                       const Measurements& measured) {
  std::vector<double> errors;
  for (const MeasuredLayer& layer : measured) errors.push_back(layer.error.front());
  auto weights = losses_of_units(prepared, work, study_of(prepared, work), errors, errors);
  for (std::size_t u = 0; u < weights.size(); ++u) {
    weights[u] = errors[u] > 0 ? weights[u] / errors[u] : 0;
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
    if (budget.measure == LossMeasure::divergence) {
      measure_divergences(run, prepared, work, study_of(prepared, work));
    }
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
