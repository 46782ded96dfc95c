#pragma once
#include <algorithm>
#include <chrono>
#include <thread>

// MPI's beginning and end, its errors, and how a rank waits for it.
namespace tessera::cluster {

/// Throws MachineError naming @p call when @p result is not MPI_SUCCESS.
void check(int result, const char* call);

/// MPI from MPI_Init to MPI_Finalize. Not finalized while an exception ends the run: the other
/// ranks may be anywhere. Throws MachineError where MPI allows no threads beside it.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  bool is_abandoned = false;
};

/// Waits for @p is_done with ever longer naps: ranks may be more than cores. The first 50
/// microseconds are spent spinning, which is what a message within a node takes; afterwards
/// @p glance is told before each nap how long this has taken.
template <class IsDone, class Glance>
void wait_until(IsDone&& is_done, Glance&& glance) {
  const auto start = std::chrono::steady_clock::now();
  auto nap = std::chrono::microseconds(20);
  while (!is_done()) {
    const auto waited = std::chrono::steady_clock::now() - start;
    if (waited < std::chrono::microseconds(50)) continue;
    glance(waited);
    std::this_thread::sleep_for(nap);
    nap = std::min(nap * 2, std::chrono::microseconds(2000));
  }
}

}  // namespace tessera::cluster
