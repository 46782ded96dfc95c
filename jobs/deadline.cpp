#include "jobs/deadline.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/error.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kGoOn =
    " (what was committed is kept). Go on with the same command and --resume.";

}  // namespace

Deadline Deadline::find(long walltime_seconds, const cluster::Lookup& lookup) {
  Deadline deadline;
  if (walltime_seconds > 0) deadline.end_ = Clock::now() + std::chrono::seconds(walltime_seconds);
  const auto text = lookup("SLURM_JOB_END_TIME");
  if (!text) return deadline;
  long seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size()) {
    throw InputError(fmt::format(
        "the environment variable SLURM_JOB_END_TIME is '{}' (Slurm sets it to seconds since "
        "1970). Unset it, or start the program with srun.",
        *text));
  }
  const Clock::time_point of_slurm{std::chrono::seconds(seconds)};
  deadline.end_ = deadline.end_ ? std::min(*deadline.end_, of_slurm) : of_slurm;
  return deadline;
}

double Deadline::seconds_left() const {
  return std::chrono::duration<double>(*end_ - Clock::now()).count();
}

bool Deadline::has_room_for(double seconds) const {
  constexpr double kWithASpare = 1.2;
  return !end_ || seconds_left() >= kWithASpare * seconds;
}

std::string Deadline::why_not(const std::string& unit, double seconds) const {
  return fmt::format("the walltime ends in {:.0f} s, {} takes about {:.0f} s", seconds_left(), unit,
                     seconds);
}

void require_time(cluster::Communicator& comm, const Deadline& deadline, const std::string& unit,
                  double seconds) {
  const bool has_room = deadline.has_room_for(seconds);
  if (cluster::broadcast(comm, has_room ? "go" : "stop") == "go") return;
  throw Interrupted(deadline.why_not(unit, seconds) + kGoOn);
}

void agree_on_end(cluster::Communicator& comm, const std::string& stopped_at) {
  for (const std::string& why : comm.all_gather(stopped_at)) {
    if (why.empty()) continue;
    throw Interrupted(why + kGoOn);
  }
}

}  // namespace tessera::jobs
