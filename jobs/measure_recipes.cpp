#include "jobs/measure_recipes.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/depth_groups.hpp"
#include "jobs/draw_units.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/layer_input.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/recipes.hpp"
#include "solver/integer/integer_solver.hpp"
#include "solver/vptq/vptq_solver.hpp"

namespace tessera::jobs {
namespace {

/// As far as errors rank like those of whole solves (docs/measurements.md).
solver::VptqSettings rough(solver::VptqSettings settings) {
  constexpr int kIterations = 4, kCandidates = 2;
  settings.kmeans_iterations = std::min(settings.kmeans_iterations, kIterations);
  settings.residual_candidates = std::min(settings.residual_candidates, kCandidates);
  settings.refine_rounds = 0;
  return settings;
}
solver::IntegerSettings rough(solver::IntegerSettings settings) {
  settings.refine_rounds = 0;
  return settings;
}

solver::QuantizedLayer rough_solve(Threads& threads, const QuantizeJob& job, const LayerUnit& unit,
                                   const solver::LayerProblem& problem) {
  const double damping = job.quantize.dampening_frac;
  if (unit.makes_integers()) {
    return solver::solve_integers(threads, problem, rough(unit.aweq().integers), damping,
                                  scale_type(job.output))
        .layer;
  }
  return solver::solve_vptq(threads, problem, rough(unit.vptq()), damping, job.output.dtype).layer;
}

class RecipeMeter {
 public:
  RecipeMeter(RunContext& run, const PreparedRun& prepared, WorkFolder& work)
      : run_(run), prepared_(prepared), work_(work), standing_for_(representatives(prepared)) {
    for (const std::size_t i : biggest_first(prepared.units)) {
      if (!work.is_committed(measured_file(prepared.units[i].layer))) left_.push_back(i);
    }
  }

  void run() {
    const EqualizedWeights weights(prepared_, work_);
    LastInput inputs(prepared_, work_, weights);
    draw_units(run_, {.count = left_.size(),
                      .cost = [&](std::size_t i) { return cost_of(left_[i]); },
                      .name = [&](std::size_t i) { return prepared_.units[left_[i]].layer.name; },
                      .do_one =
                          [&](std::size_t i) {
                            const LayerUnit& unit = prepared_.units[left_[i]];
                            work_.commit(measured_file(unit.layer), "measured",
                                         measure(unit, recipes_for(left_[i]), weights, inputs));
                          },
                      .say = [&](std::size_t num_drawn) { say(num_drawn); }});
    work_.refresh();
  }

 private:
  /// Those that are tried on the unit: all on the one that stands for its like, else its own.
  std::vector<Recipe> recipes_for(std::size_t u) const {
    auto recipes = recipes_of(prepared_.job, prepared_.units[u]);
    if (standing_for_[u] != u) recipes.resize(1);
    return recipes;
  }
  double cost_of(std::size_t u) const {
    double cost = 0;
    for (const Recipe& recipe : recipes_for(u)) cost += solve_cost(recipe.unit);
    return cost;
  }

  MeasuredLayer measure(const LayerUnit& unit, const std::vector<Recipe>& recipes,
                        const EqualizedWeights& weights, LastInput& inputs) const {
    const auto weight = weights.read_matrix(unit.layer.name + ".weight", unit.layer.out_features,
                                            unit.layer.in_features);
    const LayerInput& input = inputs.of(unit.layer);
    const bool is_compensated = !input.left.empty();
    const Matrix<double> mixed =
        is_compensated ? input.objective(prepared_.job.residual.plain_share) : Matrix<double>();
    const solver::LayerProblem problem{unit.layer.name, weight,
                                       is_compensated ? mixed : input.hessian};
    MeasuredLayer measured;
    for (const Recipe& recipe : recipes) {
      auto layer = rough_solve(run_.threads, prepared_.job, recipe.unit, problem);
      const auto found = solver::output_error(run_.threads, problem, solver::dequantize(layer));
      if (!std::isfinite(found.error)) {
        throw Bug("the solver gave numbers that are not finite for " + unit.layer.name);
      }
      if (measured.error.empty()) measured.rough = std::move(layer);
      measured.error.push_back(found.error);
      measured.output = found.output;
    }
    return measured;
  }

  void say(std::size_t num_drawn) const {
    const std::size_t total = prepared_.units.size(), done = total - left_.size() + num_drawn;
    run_.log.progress(progress_of("allocate", "layers", done, total));
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  std::vector<std::size_t> standing_for_, left_;
};

}  // namespace

void measure_recipes(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  RecipeMeter(run, prepared, work).run();
}

std::vector<std::vector<double>> errors_of_recipes(const PreparedRun& prepared,
                                                   const std::vector<MeasuredLayer>& measured) {
  const std::vector<std::size_t> standing_for = representatives(prepared);
  std::vector<std::vector<double>> errors(measured.size());
  for (std::size_t u = 0; u < errors.size(); ++u) {
    errors[u] = measured[standing_for[u]].error;
    const double own = errors[u].front();
    for (double& error : errors[u]) error *= own > 0 ? measured[u].error.front() / own : 1;
  }
  return errors;
}

}  // namespace tessera::jobs
