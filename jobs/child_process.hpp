#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/stop.hpp"

namespace tessera::jobs {

struct ChildResult {
  int exit_code = 0;              ///< 128 + signal when one ended it
  std::vector<std::string> said;  ///< its last lines on stderr, 20 at most
};

/// Runs a program (argv[0], looked up in PATH when it has no slash) to its end; its stdin is empty,
/// its stdout joins its stderr, of which every line is handed to @p on_line as it comes. Throws
/// MachineError when it cannot be started, and Interrupted, having ended it, when the run is to stop.
ChildResult run_child(const std::vector<std::string>& argv, const StopFlag& stop,
                      const std::function<void(const std::string&)>& on_line);

}  // namespace tessera::jobs
