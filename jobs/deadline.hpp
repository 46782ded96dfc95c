#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "cluster/communicator.hpp"
#include "cluster/launch_environment.hpp"

namespace tessera::jobs {

/// When the run must be over, where that is known. No unit of work is started that cannot end
/// before.
class Deadline {
 public:
  using Clock = std::chrono::system_clock;

  Deadline() = default;
  explicit Deadline(Clock::time_point end) : end_(end) {}

  /// The earlier of @p walltime_seconds from now (0: not known) and what the batch system says:
  /// SLURM_JOB_END_TIME, seconds since 1970. Throws InputError when that is no number.
  static Deadline find(long walltime_seconds, const cluster::Lookup& lookup);

  /// Whether a piece of work that took @p seconds before can be done once more, with a fifth to
  /// spare. Without a deadline: always.
  bool has_room_for(double seconds) const;
  /// "the walltime ends in 12 s, a block takes about 30 s"
  std::string why_not(const std::string& unit, double seconds) const;

 private:
  double seconds_left() const;
  std::optional<Clock::time_point> end_;
};

/// Throws Interrupted, on all ranks, where the first one sees no room for @p unit ("a block") of
/// @p seconds. Collective.
void require_time(cluster::Communicator& comm, const Deadline& deadline, const std::string& unit,
                  double seconds);

/// Ends a stage whose units are drawn: a rank whose time is up, and says why, leaves its unit to
/// nobody, so that where any did all throw Interrupted. Collective. @param stopped_at empty: this
/// rank had time
void agree_on_end(cluster::Communicator& comm, const std::string& stopped_at);

}  // namespace tessera::jobs
