#include "jobs/draw_units.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tessera::jobs {

double draw_units(RunContext& run, const UnitsLeft& left, double rate) {
  run.comm.reset_tickets();
  std::string stopped_at;
  for (;;) {
    const std::size_t unit = run.comm.draw_ticket();
    left.say(std::min(unit, left.count));
    if (unit >= left.count) break;
    run.stop.check();
    run.comm.progress();
    const double cost = left.cost(unit), estimate = rate * cost;
    if (!run.deadline.has_room_for(estimate)) {
      stopped_at = run.deadline.why_not(left.name(unit), estimate);
      break;
    }
    const auto start = std::chrono::steady_clock::now();
    left.do_one(unit);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    rate = std::max(rate, taken.count() / cost);
  }
  agree_on_end(run.comm, stopped_at);
  return rate;
}

Progress progress_of(std::string stage, std::string units, std::size_t done, std::size_t total) {
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  return {std::move(stage), std::move(units), done, total, share, ""};
}

}  // namespace tessera::jobs
