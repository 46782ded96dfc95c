#include "jobs/stages/solve.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/compare.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/layer_input.hpp"
#include "jobs/layer_residual.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/work_files.hpp"
#include "model/architecture.hpp"
#include "solver/aweq/bias_correction.hpp"
#include "solver/integer/input_range.hpp"
#include "solver/integer/integer_solver.hpp"
#include "solver/vptq/vptq_solver.hpp"

namespace tessera::jobs {
namespace {

/// Share of the stage's cost that is done; units differ by orders of magnitude. Counts every unit
/// of the run, whichever rank solves it.
class CostMeter {
 public:
  explicit CostMeter(const std::vector<LayerUnit>& units) : total_units_(units.size()) {
    for (const LayerUnit& unit : units) total_ += solve_cost(unit);
  }
  void add(const LayerUnit& unit) {
    ++done_units_;
    done_ += solve_cost(unit);
  }
  Progress progress(std::string detail) const {
    return {"solve", "layers", done_units_, total_units_, done_ / total_, std::move(detail)};
  }

 private:
  std::size_t total_units_ = 0, done_units_ = 0;
  double total_ = 0, done_ = 0;
};

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}
bool is_finite(const solver::VptqLayer& layer) {
  return all_finite(layer.centroids.span()) && all_finite(layer.res_centroids.span()) &&
         all_finite(layer.outlier_centroids.span()) && all_finite(layer.scale) &&
         all_finite(layer.bias);
}
bool is_finite(const solver::IntegerLayer& layer) {
  return all_finite(layer.scale.span()) && all_finite(layer.bias);
}

/// What is committed is finite: one NaN in a scale poisons every layer behind it.
void require_finite(const std::string& name, const SolvedLayer& solved) {
  const bool ok = std::visit([](const auto& layer) { return is_finite(layer); }, solved.layer) &&
                  std::isfinite(solved.report.proxy_error);
  if (!ok) throw Bug("the solver gave numbers that are not finite for " + name);
}

/// The bias with the mean of the output error taken away, where the architecture has a place for
/// it.
void correct(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
             const solver::LayerProblem& problem, const LayerInput& input,
             solver::IntegerResult& result) {
  if (unit.aweq().bias_correction == solver::BiasCorrection::off) return;
  if (!model::may_have_bias(prepared.config, unit.layer.role)) return;
  const auto corrected = solver::correct_bias(threads, problem, solver::dequantize(result.layer),
                                              input.mean, input.num_tokens);
  result.report.bias_gain = corrected.gain;
  if (corrected.change.empty()) return;
  if (result.layer.bias.empty()) result.layer.bias.resize(unit.layer.out_features);
  for (std::size_t i = 0; i < corrected.change.size(); ++i)
    result.layer.bias[i] += corrected.change[i];
  result.layer.has_bias = true;
}

SolvedLayer solve_integers(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
                           const solver::LayerProblem& problem, const LayerInput& input,
                           const EqualizedWeights& weights) {
  const solver::IntegerSettings& settings = unit.aweq().integers;
  auto result =
      solver::solve_integers(threads, problem, settings, prepared.job.quantize.dampening_frac,
                             scale_type(prepared.job.output));
  if (settings.quantizes_input())
    result.layer.input = solver::static_input(input.low, input.high, settings.input_scale,
                                              scale_type(prepared.job.output));
  result.layer.has_bias = unit.layer.has_bias;
  if (unit.layer.has_bias)
    result.layer.bias = weights.read_vector(unit.layer.name + ".bias", unit.layer.out_features);
  correct(threads, prepared, unit, problem, input, result);
  return {std::move(result.layer), std::move(result.report)};
}

SolvedLayer solve_unit(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
                       const EqualizedWeights& weights, LastInput& inputs) {
  const auto start = std::chrono::steady_clock::now();
  const auto weight = weights.read_matrix(unit.layer.name + ".weight", unit.layer.out_features,
                                          unit.layer.in_features);
  const LayerInput& input = inputs.of(unit.layer);
  const residual::ResidualSettings& residual = prepared.job.residual;
  const bool is_compensated = !input.left.empty();
  const Matrix<double> mixed =
      is_compensated ? input.objective(residual.plain_share) : Matrix<double>();
  const solver::LayerProblem problem{unit.layer.name, weight,
                                     is_compensated ? mixed : input.hessian};
  SolvedLayer solved;
  if (unit.makes_integers()) {
    solved = solve_integers(threads, prepared, unit, problem, input, weights);
  } else {
    auto result =
        solver::solve_vptq(threads, problem, unit.vptq(), prepared.job.quantize.dampening_frac,
                           prepared.job.output.dtype);
    solved = {std::move(result.layer), std::move(result.report)};
  }
  if (!input.without_tokens.empty()) {
    solved.report.remarks.push_back(input.without_tokens);
    solved.report.is_degraded = true;
  }
  if (is_compensated) {  // a layer is reported by its plain error, whatever it was solved for
    solved.report.proxy_error =
        solver::relative_proxy_error(threads, {unit.layer.name, weight, input.hessian},
                                     solver::dequantize(solved.layer));
  }
  add_residual(threads, unit.layer.name, residual, weight, input, solved);
  solved.weight_error = difference(weight, solver::dequantize(solved.layer)).relative;
  require_finite(unit.layer.name, solved);
  solved.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return solved;
}

void say(Log& log, const LayerUnit& unit, const SolvedLayer& solved) {
  for (const std::string& remark : solved.report.remarks) {
    const std::string text = unit.layer.name + ": " + remark;
    solved.report.is_degraded ? log.warning(text) : log.detail(text);
  }
}

/// Solves units as this rank draws them. Units never talk: a rank that is slow or late draws fewer.
class UnitSolver {
 public:
  UnitSolver(RunContext& run, const PreparedRun& prepared, WorkFolder& work)
      : run_(run), prepared_(prepared), work_(work), meter_(prepared.units) {
    for (const std::size_t i : biggest_first(prepared.units)) {
      const LayerUnit& unit = prepared.units[i];
      if (work.is_committed(solved_file(unit.layer))) {
        meter_.add(unit);
      } else {
        left_.push_back(&unit);
      }
    }
  }

  void run() {
    run_.comm.reset_tickets();
    run_.log.progress(meter_.progress(""));
    const EqualizedWeights weights(prepared_, work_);
    LastInput inputs(prepared_, work_, weights);
    std::size_t next = 0;  // units below it were drawn by some rank
    for (;;) {
      const std::size_t ticket = run_.comm.draw_ticket();
      if (ticket >= left_.size()) break;
      for (; next < ticket; ++next) meter_.add(*left_[next]);
      const LayerUnit& unit = *left_[ticket];
      if (!run_.deadline.has_room_for(rate_ * solve_cost(unit))) {
        stopped_at_ = run_.deadline.why_not(unit.layer.name, rate_ * solve_cost(unit));
        break;
      }
      solve_and_commit(unit, weights, inputs);
      meter_.add(unit);
      next = ticket + 1;
      run_.log.progress(meter_.progress(detail_));
    }
    agree_on_end(run_.comm, stopped_at_);
  }

 private:
  void solve_and_commit(const LayerUnit& unit, const EqualizedWeights& weights, LastInput& inputs) {
    run_.comm.progress();
    const SolvedLayer solved = solve_unit(run_.threads, prepared_, unit, weights, inputs);
    work_.commit(solved_file(unit.layer), "solved", solved);
    rate_ = std::max(rate_, solved.seconds / solve_cost(unit));
    say(run_.log, unit, solved);
    detail_ = fmt::format("block {} {} error {:.4f}", unit.layer.block, unit.layer.module,
                          solved.report.proxy_error);
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  CostMeter meter_;
  std::vector<const LayerUnit*> left_;
  double rate_ = 0;  ///< seconds for a unit of cost, the slowest so far
  std::string stopped_at_, detail_;
};

}  // namespace

void solve(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  UnitSolver(run, prepared, work).run();
  work.refresh();
}

}  // namespace tessera::jobs
