#pragma once
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Bits where they pay: gives each layer the recipe (jobs/recipes.hpp) that makes the predicted
/// loss of all layers least under one budget of stored bits. Recipes are measured on the
/// calibration's Hessians (jobs/measure_recipes.hpp) and, where the job says so, weighed by what
/// errors of a kind and depth do to the model's predictions (jobs/measure_divergences.hpp); one
/// knapsack on the first rank then chooses (core/knapsack.hpp). All of it is committed:
/// allocation/choice.h5 last.
///
/// @return the units with the settings to solve them with; the job's own where it sets no budget.
/// Collective. @pre calibrate and equalize are done
std::vector<LayerUnit> allocate(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
