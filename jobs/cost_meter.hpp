#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/log.hpp"
#include "jobs/plan.hpp"

namespace tessera::jobs {

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

}  // namespace tessera::jobs
