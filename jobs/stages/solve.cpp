#include "jobs/stages/solve.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "calibration/hessian.hpp"
#include "core/error.hpp"
#include "jobs/block_sums.hpp"
#include "jobs/work_files.hpp"
#include "solver/vptq/vptq_solver.hpp"

namespace tessera::jobs {
namespace {

/// The Hessian of the input that was asked for last: q, k and v, and gate and up, read the same
/// one.
class LastHessian {
 public:
  LastHessian(const PreparedRun& prepared, const WorkFolder& work)
      : prepared_(prepared), work_(work) {}

  MatrixView<const double> of(const model::LinearLayer& layer) {
    const auto wanted = std::pair(layer.block, layer.input());
    if (held_ != wanted) {
      held_.reset();
      hessian_ = {};
      const auto slabs = slab_files(prepared_.config, prepared_.units, layer.block, prepared_.token_sample);
      hessian_ = calibration::hessian_of(load_statistics(work_, slabs, layer.input()).hessian);
      held_ = wanted;
    }
    require(hessian_.rows() == layer.in_features, "a layer's Hessian is as large as its input");
    return hessian_;
  }

 private:
  const PreparedRun& prepared_;
  const WorkFolder& work_;
  std::optional<std::pair<std::size_t, model::InputRole>> held_;
  Matrix<double> hessian_;
};

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
    LastHessian hessians(prepared_, work_);
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
      solve_and_commit(unit, hessians);
      meter_.add(unit);
      next = ticket + 1;
      run_.log.progress(meter_.progress(detail_));
    }
    agree_on_end();
  }

 private:
  void solve_and_commit(const LayerUnit& unit, LastHessian& hessians) {
    run_.comm.progress();
    const SolvedLayer solved = solve_unit(run_.threads, prepared_, unit, hessians);
    work_.commit(solved_file(unit.layer), "solved", solved);
    rate_ = std::max(rate_, solved.seconds / solve_cost(unit));
    say(run_.log, unit, solved);
    detail_ = fmt::format("block {} {} error {:.4f}", unit.layer.block, unit.layer.module,
                          solved.report.proxy_error);
  }

  /// A rank whose time is up leaves its unit to nobody: the run ends resumable.
  void agree_on_end() const {
    for (const std::string& why : run_.comm.all_gather(stopped_at_)) {
      if (why.empty()) continue;
      throw Interrupted(why +
                        " (what was committed is kept). Go on with the same command and "
                        "--resume.");
    }
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
