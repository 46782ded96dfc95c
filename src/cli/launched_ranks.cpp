#include "cli/launched_ranks.hpp"

#include <cstdio>
#include <thread>

#include "cli/signals.hpp"
#include "cli/terminal_log.hpp"
#include "core/threads.hpp"

namespace tessera::cli {

int on_every_rank(const std::function<int(cluster::Communicator&, StopFlag&)>& body) {
  static StopFlag stop;
  stop_on_signals(stop);
  const auto launched = cluster::launch_environment();
  if (!launched.launcher.empty()) stop_without_launcher();
  const auto comm = cluster::connect(launched, stop);
  try {
    return body(*comm, stop);
  } catch (...) {
    // Together, so that a launcher sees one exit code and not the signals it ends stragglers with.
    constexpr double kGraceSeconds = 10;
    comm->leave_together(kGraceSeconds);
    throw;
  }
}

std::unique_ptr<Log> terminal_of_first(bool is_first, bool is_verbose) {
  if (!is_first) return std::make_unique<SilentLog>();
  return std::make_unique<TerminalLog>(stderr,
                                       TerminalLog::Options{is_verbose, stderr_is_terminal()});
}

std::size_t threads_of_rank(cluster::Communicator& comm, int wanted) {
  const std::size_t local_size = cluster::ranks_of_this_node(comm);
  if (wanted > 0) return static_cast<std::size_t>(wanted);
  return cluster::threads_for_rank(Threads::cores_available(), std::thread::hardware_concurrency(),
                                   local_size);
}

}  // namespace tessera::cli
