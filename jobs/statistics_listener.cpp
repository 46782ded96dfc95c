#include "jobs/statistics_listener.hpp"

#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/plan.hpp"

namespace tessera::jobs {

BlockStatistics empty_statistics(const model::ModelConfig& config,
                                 const std::vector<model::InputKey>& roles,
                                 const calibration::StatisticsExtras& extras) {
  BlockStatistics statistics;
  for (const auto& role : roles) {
    statistics.of_role.emplace(role, calibration::InputStatistics(channels_of(config, role), extras));
  }
  return statistics;
}

void StatisticsListener::on_input(model::InputRole role, MatrixView<const float> x) {
  add(role, x, {});
}

void StatisticsListener::on_expert_input(const model::InputKey& key, MatrixView<const float> x,
                                         std::span<const std::size_t> tokens) {
  add(key, x, tokens);
}

void StatisticsListener::add(const model::InputKey& key, MatrixView<const float> x,
                             std::span<const std::size_t> tokens) {
  const auto found = partial_.of_role.find(key);
  if (found == partial_.of_role.end()) return;
  try {
    found->second.add(threads_, x, {first_sample_, length_, tokens});
  } catch (const InputError&) {
    throw_with_place(key, x, tokens);
    throw;
  }
}

void StatisticsListener::throw_with_place(const model::InputKey& key, MatrixView<const float> x,
                                          std::span<const std::size_t> tokens) const {
  for (std::size_t row = 0; row < x.rows; ++row) {
    const std::size_t token = tokens.empty() ? row : tokens[row];
    for (std::size_t channel = 0; channel < x.cols; ++channel) {
      if (std::isfinite(x(row, channel))) continue;
      throw InputError(fmt::format(
          "the {} of block {} is {} at channel {} for token {} of calibration sample {} (a "
          "healthy model has finite activations). Check the model's weights, or leave out the "
          "sample.",
          model::name_of(key), block_, x(row, channel), channel, token % length_,
          first_sample_ + token / length_));
    }
  }
}

}  // namespace tessera::jobs
