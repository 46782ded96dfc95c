#include "jobs/cost_model.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace tessera::jobs {

double list_schedule(const std::vector<double>& seconds, std::size_t num_ranks) {
  require(num_ranks >= 1, "a run has a rank");
  std::vector<double> busy_until(num_ranks);
  for (const double unit : seconds) *std::ranges::min_element(busy_until) += unit;
  return *std::ranges::max_element(busy_until);
}

PredictedTime predict_time(const RunShape& shape, const RunRates& rates, std::size_t num_ranks) {
  require(num_ranks >= 1, "a run has a rank");
  const auto ranks = static_cast<double>(num_ranks);
  const auto blocks = static_cast<double>(shape.num_blocks);
  const auto rounds = static_cast<double>((shape.num_shards + num_ranks - 1) / num_ranks);
  PredictedTime time;
  if (rates.reduced_bytes_per_second > 0) {
    const double handed_out = static_cast<double>(shape.partial_bytes) * (ranks - 1) / ranks;
    time.reduction_seconds = blocks * rounds * handed_out / rates.reduced_bytes_per_second;
  }
  time.calibrate_seconds = blocks * (rounds * rates.seconds_per_shard + rates.seconds_per_block) +
                           time.reduction_seconds;
  time.solve_seconds = rates.seconds_per_cost * list_schedule(shape.unit_costs, num_ranks);
  return time;
}

}  // namespace tessera::jobs
