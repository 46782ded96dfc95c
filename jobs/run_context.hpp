#pragma once
#include <filesystem>

#include "cluster/launch_environment.hpp"
#include "core/log.hpp"
#include "core/threads.hpp"

namespace tessera::jobs {

/// Where the Python helpers (tokenize) are: $TESSERA_HELPERS, else the scripts folder of the source
/// tree this program was built from.
std::filesystem::path helper_folder();

/// What a run works with; handed down, never global.
struct RunContext {
  Threads& threads;
  Log& log;
  cluster::LaunchEnvironment launched = cluster::launch_environment();
  std::filesystem::path helpers = helper_folder();
};

}  // namespace tessera::jobs
