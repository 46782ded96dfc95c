#pragma once
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_files.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Measures and commits what candidate recipes (jobs/recipes.hpp) would do to each layer: its error
/// under the Hessian that the solve will use, by the real solver with few iterations of k-means and
/// no refinement. All recipes on the layers that stand for others (jobs/depth_groups.hpp), on the
/// others the method's own alone: what a recipe gains or loses is much the same for all of a kind.
/// Layers are drawn from the ticket counter, the costliest first, and never talk. Collective.
void measure_recipes(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

/// By unit, the errors of all its recipes, tr(E H E^T): those of a layer's representative, in
/// proportion to the error of the method's own. @pre every unit is measured
std::vector<std::vector<double>> errors_of_recipes(const PreparedRun& prepared,
                                                   const std::vector<MeasuredLayer>& measured);

}  // namespace tessera::jobs
