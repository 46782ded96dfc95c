#include "jobs/statistics_listener.hpp"

#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/plan.hpp"

namespace tessera::jobs {

BlockStatistics empty_statistics(const model::ModelConfig& config,
                                 const std::vector<model::InputRole>& roles,
                                 const calibration::StatisticsExtras& extras) {
  BlockStatistics statistics;
  for (const auto role : roles) {
    statistics.of_role.emplace(role, calibration::InputStatistics(channels_of(config, role), extras));
  }
  return statistics;
}

void StatisticsListener::on_input(model::InputRole role, MatrixView<const float> x) {
  const auto found = partial_.of_role.find(role);
  if (found == partial_.of_role.end()) return;
  try {
    found->second.add(threads_, x, {first_sample_, length_});
  } catch (const InputError&) {
    throw_with_place(role, x);
    throw;
  }
}

void StatisticsListener::throw_with_place(model::InputRole role, MatrixView<const float> x) const {
  for (std::size_t row = 0; row < x.rows; ++row) {
    for (std::size_t channel = 0; channel < x.cols; ++channel) {
      if (std::isfinite(x(row, channel))) continue;
      throw InputError(fmt::format(
          "the {} of block {} is {} at channel {} for token {} of calibration sample {} (a "
          "healthy model has finite activations). Check the model's weights, or leave out the "
          "sample.",
          model::name_of(role), block_, x(row, channel), channel, row % length_,
          first_sample_ + row / length_));
    }
  }
}

}  // namespace tessera::jobs
