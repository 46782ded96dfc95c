#pragma once
#include <filesystem>
#include <string>

#include "cluster/communicator.hpp"
#include "core/log.hpp"
#include "core/stop.hpp"
#include "core/threads.hpp"
#include "jobs/deadline.hpp"

namespace tessera::jobs {

/// Where the Python helpers (tokenize) are: $TESSERA_HELPERS, else scripts/ of the shared folder.
std::filesystem::path helper_folder();

/// What a run works with on one rank; handed down, never global.
struct RunContext {
  Threads& threads;
  Log& log;
  cluster::Communicator& comm;
  StopFlag& stop;
  Deadline deadline = {};
  std::string redo_module = {};  ///< with ExistingRun::redo: a pattern of layers to solve again
  std::filesystem::path helpers = helper_folder();
  std::string commit = {};  ///< the program was built from, for the report; empty: not known
};

}  // namespace tessera::jobs
