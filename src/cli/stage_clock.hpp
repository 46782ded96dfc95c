#pragma once
#include <cstddef>
#include <optional>
#include <string>

#include "core/log.hpp"

namespace tessera::cli {

/// Rate and remaining time of a stage, from its progress events. Units differ in size, so the time
/// left follows the share of the work that is done (Progress::done_cost), not the count. What was
/// done before the first event (a resumed run) counts for neither.
class StageClock {
 public:
  /// @param now seconds on any clock that does not go back
  void update(const Progress& progress, double now);

  double elapsed() const { return now_ - start_; }  ///< seconds since the stage's first event
  std::optional<double> rate() const;               ///< units a second
  std::optional<double> remaining() const;          ///< seconds

 private:
  std::string stage_;
  double start_ = 0, now_ = 0;
  std::size_t first_done_ = 0, done_ = 0;
  double first_cost_ = 0, cost_ = 0;
};

}  // namespace tessera::cli
