#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "core/human_text.hpp"
#include "jobs/preflight/checks.hpp"

namespace tessera::jobs {
namespace {

constexpr double kSkewed = 1;       // seconds: from here on logs of ranks cannot be told in order
constexpr double kMisleading = 60;  // and deadlines are missed

/// The first clock's time and this one's, right after the ranks met.
double skew_of_one_meeting(cluster::Communicator& comm, const std::function<double()>& clock) {
  comm.barrier();
  const auto times = comm.all_gather(fmt::format("{:.6f}", clock()));
  return std::stod(times[comm.rank()]) - std::stod(times.front());
}

}  // namespace

double seconds_of_clock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Finding check_clock(cluster::Communicator& comm, const std::function<double()>& clock) {
  constexpr std::size_t kMeetings = 9;  // of which one or the other finds a rank late
  std::vector<double> skews;
  for (std::size_t i = 0; i < kMeetings; ++i) skews.push_back(skew_of_one_meeting(comm, clock));
  std::ranges::nth_element(skews, skews.begin() + kMeetings / 2);
  const double skew = skews[kMeetings / 2];
  const Verdict verdict = std::abs(skew) >= kMisleading ? Verdict::failed
                          : std::abs(skew) >= kSkewed   ? Verdict::warning
                                                        : Verdict::ok;
  if (verdict == Verdict::ok) return {verdict, skew, "s", "the ranks' clocks agree"};
  return {verdict, skew, "s",
          fmt::format("the clock is {} {} the first rank's (deadlines and logs go by it). Have the "
                      "node's clock set; ntpd or chronyd keeps it so.",
                      duration_text(std::abs(skew)), skew > 0 ? "ahead of" : "behind")};
}

}  // namespace tessera::jobs
