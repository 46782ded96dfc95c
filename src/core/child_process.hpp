#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "core/stop.hpp"

namespace tessera {

/// What a program gets as its own; nothing: no input, and the output of this process.
struct ChildDescriptors {
  std::optional<int> in, out, err;
  bool own_session = false;  ///< lives on when this process's terminal or group is ended
};

/// Starts a program (argv[0], looked up in PATH when it has no slash). Throws MachineError when it
/// cannot be started.
pid_t start_child(const std::vector<std::string>& argv, const ChildDescriptors& descriptors);
/// Its exit code once it has ended; 128 + signal when one ended it.
int wait_for_child(pid_t child);

struct ChildResult {
  int exit_code = 0;              ///< 128 + signal when one ended it
  std::vector<std::string> said;  ///< its last lines on stderr, 20 at most
};

/// Runs a program (argv[0], looked up in PATH when it has no slash) to its end; its stdin is empty,
/// its stdout joins its stderr, of which every line is handed to @p on_line as it comes. Throws
/// MachineError when it cannot be started, and Interrupted, having ended it, when the run is to
/// stop.
ChildResult run_child(const std::vector<std::string>& argv, const StopFlag& stop,
                      const std::function<void(const std::string&)>& on_line);

}  // namespace tessera
