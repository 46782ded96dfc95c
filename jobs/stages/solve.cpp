#include "jobs/stages/solve.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "calibration/hessian.hpp"
#include "core/error.hpp"
#include "jobs/work_files.hpp"
#include "solver/vptq/vptq_solver.hpp"

namespace tessera::jobs {
namespace {

/// The Hessian of the input that was asked for last: q, k and v, and gate and up, read the same
/// one.
class LastHessian {
 public:
  explicit LastHessian(const WorkFolder& work) : work_(work) {}

  MatrixView<const double> of(const model::LinearLayer& layer) {
    const auto wanted = std::pair(layer.block, layer.input());
    if (held_ != wanted) {
      held_.reset();
      hessian_ = {};
      BlockStatistics statistics;
      statistics.of_role.emplace(layer.input(), calibration::InputStatistics());
      work_.load(statistics_file(layer.block), "statistics", statistics);
      hessian_ = calibration::hessian_of(std::move(statistics.of_role.begin()->second.hessian));
      held_ = wanted;
    }
    require(hessian_.rows() == layer.in_features, "a layer's Hessian is as large as its input");
    return hessian_;
  }

 private:
  const WorkFolder& work_;
  std::optional<std::pair<std::size_t, model::InputRole>> held_;
  Matrix<double> hessian_;
};

/// Share of the stage's cost that is done; units differ by orders of magnitude.
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

/// What is committed is finite: one NaN in a scale poisons every layer behind it.
void require_finite(const std::string& name, const solver::VptqLayer& layer, double proxy_error) {
  const auto all_finite = [](std::span<const float> values) {
    return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
  };
  const bool ok = all_finite(layer.centroids.span()) && all_finite(layer.res_centroids.span()) &&
                  all_finite(layer.outlier_centroids.span()) && all_finite(layer.scale) &&
                  all_finite(layer.bias) && std::isfinite(proxy_error);
  if (!ok) throw Bug("the solver gave numbers that are not finite for " + name);
}

SolvedLayer solve_unit(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
                       LastHessian& hessians) {
  const auto start = std::chrono::steady_clock::now();
  const auto weight = prepared.weights->read_matrix(
      unit.layer.name + ".weight", unit.layer.out_features, unit.layer.in_features);
  const solver::LayerProblem problem{unit.layer.name, weight, hessians.of(unit.layer)};
  auto result = solver::solve_vptq(threads, problem, unit.settings,
                                   prepared.job.quantize.dampening_frac, prepared.job.output.dtype);
  require_finite(unit.layer.name, result.layer, result.report.proxy_error);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {std::move(result.layer), std::move(result.report), taken.count()};
}

void say(Log& log, const LayerUnit& unit, const SolvedLayer& solved) {
  for (const std::string& remark : solved.report.remarks) {
    const std::string text = unit.layer.name + ": " + remark;
    solved.report.is_degraded ? log.warning(text) : log.detail(text);
  }
}

}  // namespace

void solve(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  CostMeter meter(prepared.units);
  std::vector<const LayerUnit*> left;
  for (const std::size_t i : biggest_first(prepared.units)) {
    const LayerUnit& unit = prepared.units[i];
    if (work.is_committed(solved_file(unit.layer))) {
      meter.add(unit);
    } else {
      left.push_back(&unit);
    }
  }
  run.log.progress(meter.progress(""));
  LastHessian hessians(work);
  for (const LayerUnit* unit : left) {
    const SolvedLayer solved = solve_unit(run.threads, prepared, *unit, hessians);
    work.commit(solved_file(unit->layer), "solved", solved);
    meter.add(*unit);
    say(run.log, *unit, solved);
    run.log.progress(meter.progress(fmt::format("block {} {} error {:.4f}", unit->layer.block,
                                                unit->layer.module, solved.report.proxy_error)));
  }
}

}  // namespace tessera::jobs
