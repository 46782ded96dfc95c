#pragma once
#include <cstddef>

#include "core/threads.hpp"
#include "forward/block.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {

/// Empty statistics for @p roles.
BlockStatistics empty_statistics(const model::ModelConfig& config,
                                 const std::vector<model::InputKey>& roles,
                                 const calibration::StatisticsExtras& extras);

/// Notes in @p partial that @p input met a number that is not finite.
void note_not_finite(BlockStatistics& partial, const model::InputKey& input,
                     const std::string& problem);

/// Adds what a batch's linear layers see to a partial. Where a value is NaN or infinite, the
/// partial notes the first such by block, input, channel, sample and token, leaves the samples out
/// that have one, and holds a NaN (not_finite.hpp).
class StatisticsListener final : public forward::InputListener {
 public:
  StatisticsListener(Threads& threads, BlockStatistics& partial, std::size_t block,
                     std::size_t first_sample, std::size_t length)
      : threads_(threads),
        partial_(partial),
        block_(block),
        first_sample_(first_sample),
        length_(length) {}

  void on_input(model::InputRole role, MatrixView<const float> x) override;
  void on_expert_input(const model::InputKey& key, MatrixView<const float> x,
                       std::span<const std::size_t> tokens) override;

 private:
  void add(const model::InputKey& key, MatrixView<const float> x,
           std::span<const std::size_t> tokens);
  void add_finite_samples(calibration::InputStatistics& statistics, MatrixView<const float> x,
                          std::span<const std::size_t> tokens);
  std::string first_problem(const model::InputKey& key, MatrixView<const float> x,
                            std::span<const std::size_t> tokens) const;
  std::size_t sample_of(std::size_t row, std::span<const std::size_t> tokens) const {
    return (tokens.empty() ? row : tokens[row]) / length_;
  }

  Threads& threads_;
  BlockStatistics& partial_;
  std::size_t block_, first_sample_, length_;
};

}  // namespace tessera::jobs
