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

/// Adds what a batch's linear layers see to a partial. Throws InputError naming block, layer input,
/// channel, sample and token for a value that is NaN or infinite.
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
  void throw_with_place(const model::InputKey& key, MatrixView<const float> x,
                        std::span<const std::size_t> tokens) const;

  Threads& threads_;
  BlockStatistics& partial_;
  std::size_t block_, first_sample_, length_;
};

}  // namespace tessera::jobs
