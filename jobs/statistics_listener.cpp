#include "jobs/statistics_listener.hpp"

#include <limits>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/plan.hpp"
#include "model/tensor_source.hpp"

namespace tessera::jobs {

BlockStatistics empty_statistics(const model::ModelConfig& config,
                                 const std::vector<model::InputKey>& roles,
                                 const calibration::StatisticsExtras& extras) {
  BlockStatistics statistics;
  for (const auto& role : roles) {
    statistics.of_role.emplace(role,
                               calibration::InputStatistics(channels_of(config, role), extras));
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

void note_not_finite(BlockStatistics& partial, const model::InputKey& input,
                     const std::string& problem) {
  partial.not_finite.emplace(input, problem);
  const auto found = partial.of_role.find(input);
  if (found == partial.of_role.end()) return;
  Matrix<double>& sum = found->second.hessian.sum;
  sum(0, 0) = std::numeric_limits<double>::quiet_NaN();
}

void StatisticsListener::add(const model::InputKey& key, MatrixView<const float> x,
                             std::span<const std::size_t> tokens) {
  const auto found = partial_.of_role.find(key);
  if (found == partial_.of_role.end()) return;
  try {
    found->second.add(threads_, x, {first_sample_, length_, tokens});
  } catch (const InputError&) {
    const std::string problem = first_problem(key, x, tokens);
    if (problem.empty()) throw;
    add_finite_samples(found->second, x, tokens);
    note_not_finite(partial_, key, problem);
  }
}

/// Rows of one sample follow each other.
void StatisticsListener::add_finite_samples(calibration::InputStatistics& statistics,
                                            MatrixView<const float> x,
                                            std::span<const std::size_t> tokens) {
  for (std::size_t begin = 0; begin < x.rows;) {
    const std::size_t sample = sample_of(begin, tokens);
    bool is_finite = true;
    std::size_t end = begin;
    for (; end < x.rows && sample_of(end, tokens) == sample; ++end) {
      is_finite = is_finite && model::first_not_finite(x.row_span(end)) == x.cols;
    }
    if (is_finite) {
      const std::size_t first = first_sample_ + (tokens.empty() ? sample : 0);
      const auto places = tokens.empty() ? tokens : tokens.subspan(begin, end - begin);
      statistics.add(threads_, x.middle_rows(begin, end - begin), {first, length_, places});
    }
    begin = end;
  }
}

std::string StatisticsListener::first_problem(const model::InputKey& key, MatrixView<const float> x,
                                              std::span<const std::size_t> tokens) const {
  for (std::size_t row = 0; row < x.rows; ++row) {
    const std::size_t channel = model::first_not_finite(x.row_span(row));
    if (channel == x.cols) continue;
    const std::size_t token = tokens.empty() ? row : tokens[row];
    return fmt::format(
        "the {} of block {} is {} at channel {} for token {} of calibration sample {}",
        model::name_of(key), block_, x(row, channel), channel, token % length_,
        first_sample_ + token / length_);
  }
  return "";
}

}  // namespace tessera::jobs
