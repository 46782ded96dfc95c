#pragma once
#include <cstddef>
#include <cstdio>

#include "cli/terminal_log.hpp"
#include "cluster/self_communicator.hpp"
#include "core/stop.hpp"
#include "core/threads.hpp"
#include "jobs/run_context.hpp"

namespace tessera::cli {

/// What a verb works with that is no run of a job: this process alone, stopped by nobody.
struct SingleRank {
  SingleRank(bool verbose, std::size_t num_threads)
      : log(stderr, {verbose, stderr_is_terminal()}), threads(num_threads) {}

  TerminalLog log;
  Threads threads;
  StopFlag stop;
  cluster::SelfCommunicator alone;
  jobs::RunContext context{threads, log, alone, stop};
};

}  // namespace tessera::cli
