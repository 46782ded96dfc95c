#include "cli/stage_clock.hpp"

namespace tessera::cli {

void StageClock::update(const Progress& progress, double now) {
  if (progress.stage != stage_ || progress.done < done_) {
    stage_ = progress.stage;
    start_ = now;
    first_done_ = progress.done;
    first_cost_ = progress.done_cost;
  }
  now_ = now;
  done_ = progress.done;
  cost_ = progress.done_cost;
}

std::optional<double> StageClock::rate() const {
  if (done_ == first_done_ || elapsed() <= 0) return std::nullopt;
  return static_cast<double>(done_ - first_done_) / elapsed();
}

std::optional<double> StageClock::remaining() const {
  if (cost_ <= first_cost_ || elapsed() <= 0) return std::nullopt;
  return elapsed() * (1 - cost_) / (cost_ - first_cost_);
}

}  // namespace tessera::cli
