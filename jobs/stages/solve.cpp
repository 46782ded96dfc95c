#include "jobs/stages/solve.hpp"

#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/cost_meter.hpp"
#include "jobs/draw_units.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/kept_together.hpp"
#include "jobs/ladder.hpp"
#include "jobs/layer_input.hpp"
#include "jobs/settings/describe_job.hpp"
#include "jobs/solve_layer.hpp"
#include "jobs/work_files.hpp"
#include "solver/layer_failure.hpp"

namespace tessera::jobs {
namespace {

void say(Log& log, const LayerUnit& unit, const SolvedLayer& solved) {
  for (const std::string& remark : solved.report.remarks) {
    const std::string text = unit.layer.name + ": " + remark;
    solved.is_degraded() ? log.warning(text) : log.detail(text);
  }
}

/// Solves units as this rank draws them. Units never talk: a rank that is slow or late draws fewer.
class UnitSolver {
 public:
  UnitSolver(RunContext& run, const PreparedRun& prepared, WorkFolder& work)
      : run_(run),
        prepared_(prepared),
        work_(work),
        weights_(prepared, work),
        inputs_(prepared, work, weights_) {}

  /// Every layer that nothing is known against; those that fail are put aside.
  void solve_sound() {
    const auto left = choose([&](const LayerUnit& unit) { return !is_solved(unit); });
    draw(left, [&](const LayerUnit& unit) {
      if (!has_failed(unit)) try_first(unit);
    });
  }

  /// The others, by the ladder. Throws InputError naming those that no rung holds. Collective.
  void solve_quarantined() {
    const auto left =
        choose([&](const LayerUnit& unit) { return has_failed(unit) && !is_solved(unit); });
    if (left.empty()) return;
    run_.log.info(fmt::format("{} layer{} failed at dampening {}: quantize.ladder", left.size(),
                              left.size() == 1 ? "" : "s", prepared_.job.quantize.dampening_frac));
    std::string failed;  // lines
    draw(left, [&](const LayerUnit& unit) {
      const auto ladder = climb(unit);
      if (!ladder.back().problem.empty()) {
        failed += fmt::format("{}: {}\n", unit.layer.name, text_of(ladder));
      }
    });
    std::string of_all;
    for (const std::string& of_rank : run_.comm.all_gather(failed)) of_all += of_rank;
    if (of_all.empty()) return;
    throw InputError(fmt::format(
        "layers cannot be solved (quantize.ladder.fallback is {}):\n{}Calibrate on more "
        "text, or solve all again with another fallback: tessera redo JOB.yaml "
        "--module '.*' --set quantize.ladder.fallback=plain",
        name_of_value(prepared_.job.quantize.ladder.fallback), of_all));
  }

  /// What engines load as one with a kept layer. Collective.
  void keep_companions() {
    const auto beside = to_be_kept_beside(prepared_, work_);
    const auto left = choose([&](const LayerUnit& unit) { return beside.contains(&unit); });
    if (left.empty()) return;
    draw(left, [&](const LayerUnit& unit) {
      const std::string why =
          fmt::format("engines load it as one with {}, which is kept", beside.at(&unit));
      std::vector<Rung> ladder = {{name_of_try(prepared_.job.quantize.dampening_frac), why}};
      holds(unit, ladder, std::string(name_of_value(Fallback::keep)), [&] { return keep(unit); });
    });
  }

 private:
  using Units = std::vector<const LayerUnit*>;

  /// Those of which @p is_wanted, the costliest first: the same on all ranks.
  template <class Wish>
  Units choose(Wish&& is_wanted) {
    Units chosen;
    meter_ = CostMeter(prepared_.units);
    for (const std::size_t i : biggest_first(prepared_.units)) {
      const LayerUnit& unit = prepared_.units[i];
      is_wanted(unit) ? chosen.push_back(&unit) : meter_.add(unit);
    }
    return chosen;
  }
  bool is_solved(const LayerUnit& unit) { return work_.is_committed(solved_file(unit.layer)); }
  bool has_failed(const LayerUnit& unit) {
    return work_.is_committed(quarantine_file_of(solved_file(unit.layer)));
  }

  template <class Solve>
  void draw(const Units& left, Solve&& solve_one) {
    std::size_t next = 0;  // units below it are in the meter
    const auto say_drawn = [&](std::size_t num_drawn) {
      for (; next < num_drawn; ++next) meter_.add(*left[next]);
      run_.log.progress(meter_.progress(detail_));
    };
    rate_ = draw_units(run_,
                       {.count = left.size(),
                        .cost = [&](std::size_t i) { return solve_cost(*left[i]); },
                        .name = [&](std::size_t i) { return left[i]->layer.name; },
                        .do_one = [&](std::size_t i) { solve_one(*left[i]); },
                        .say = say_drawn},
                       rate_);
    work_.refresh();
  }

  void try_first(const LayerUnit& unit) {
    const LayerInput& input = inputs_.of(unit.layer);
    Quarantine failure{input.problem, input.problem.empty()};
    if (failure.has_hessian) {
      try {
        return commit(unit,
                      solve_at(unit, prepared_.job.quantize.dampening_frac, Objective::hessian));
      } catch (const solver::LayerFailure& error) {
        failure.problem = error.what();
      }
    }
    work_.commit(quarantine_file_of(solved_file(unit.layer)), "quarantine", failure);
    detail_ = fmt::format("block {} {} quarantined", unit.layer.block, unit.layer.module);
  }

  /// Tries rung by rung and commits what holds. Returns every try; the last has a problem where
  /// none did.
  std::vector<Rung> climb(const LayerUnit& unit) {
    const QuantizeSettings& settings = prepared_.job.quantize;
    Quarantine failure;
    work_.load(quarantine_file_of(solved_file(unit.layer)), "quarantine", failure);
    std::vector<Rung> ladder = {{name_of_try(settings.dampening_frac), failure.problem}};
    if (failure.has_hessian) {
      for (const double dampening : further_dampening(settings)) {
        if (holds(unit, ladder, name_of_try(dampening),
                  [&] { return solve_at(unit, dampening, Objective::hessian); })) {
          return ladder;
        }
      }
    }
    const Fallback fallback = settings.ladder.fallback;
    if (fallback == Fallback::fail) return ladder;
    holds(unit, ladder, std::string(name_of_value(fallback)), [&] {
      return fallback == Fallback::keep
                 ? keep(unit)
                 : solve_at(unit, settings.dampening_frac, Objective::identity);
    });
    return ladder;
  }

  template <class Try>
  bool holds(const LayerUnit& unit, std::vector<Rung>& ladder, const std::string& tried,
             Try&& solve_one) {
    ladder.push_back({tried, ""});
    try {
      SolvedLayer solved = solve_one();
      solved.ladder = ladder;
      auto& remarks = solved.report.remarks;
      remarks.insert(remarks.begin(), text_of(ladder));
      commit(unit, solved);
      return true;
    } catch (const solver::LayerFailure& error) {
      ladder.back().problem = error.what();
      return false;
    }
  }

  SolvedLayer keep(const LayerUnit& unit) const {
    return keep_layer(unit, weights_, prepared_.job.output.dtype);
  }
  SolvedLayer solve_at(const LayerUnit& unit, double dampening, Objective objective) {
    return solve_layer(run_.threads, prepared_, unit, weights_, inputs_.of(unit.layer), dampening,
                       objective);
  }

  void commit(const LayerUnit& unit, const SolvedLayer& solved) {
    work_.commit(solved_file(unit.layer), "solved", solved);
    say(run_.log, unit, solved);
    detail_ = fmt::format("block {} {} error {:.4f}", unit.layer.block, unit.layer.module,
                          solved.report.proxy_error);
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  const EqualizedWeights weights_;
  LastInput inputs_;
  CostMeter meter_{prepared_.units};
  double rate_ = 0;  ///< seconds for a unit of cost, the slowest so far
  std::string detail_;
};

}  // namespace

void solve(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  UnitSolver solver(run, prepared, work);
  solver.solve_sound();
  solver.solve_quarantined();
  solver.keep_companions();
}

}  // namespace tessera::jobs
