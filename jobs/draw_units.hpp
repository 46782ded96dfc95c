#pragma once
#include <cstddef>
#include <functional>
#include <string>

#include "jobs/run_context.hpp"

namespace tessera::jobs {

/// Units of work of one stage that are not committed yet: the same list on all ranks, the costliest
/// first. Units never talk.
struct UnitsLeft {
  std::size_t count = 0;
  std::function<double(std::size_t)> cost;       ///< of a unit: time goes by it; above 0
  std::function<std::string(std::size_t)> name;  ///< of a unit, for messages
  std::function<void(std::size_t)> do_one;       ///< does and commits a unit
  std::function<void(std::size_t)> say;          ///< so many units were drawn, by all ranks
};

/// Draws units from the ranks' shared counter and does them, until none is left: a rank that is
/// slow or late draws fewer. A rank begins no unit that cannot end before the deadline, judged by
/// its slowest so far; where one had to stop so, all throw Interrupted after the others have drawn
/// what was left. What a unit throws ends this rank's part at once. Collective.
///
/// @param rate seconds for a unit of cost, where like units were done before
/// @return the slowest rate, of this rank
double draw_units(RunContext& run, const UnitsLeft& left, double rate = 0);

/// Of units that are all of a size.
Progress progress_of(std::string stage, std::string units, std::size_t done, std::size_t total);

}  // namespace tessera::jobs
