#pragma once
#include "core/stop.hpp"

namespace tessera::cli {

/// From now on SIGUSR1 and SIGTERM (a batch system's warning, a launcher's end) and the first
/// SIGINT ask the run to stop. A second SIGINT ends the program at once.
/// Called before any other thread is made; children must not inherit the blocked signals
/// (core/child_process.cpp).
/// @pre @p stop lives as long as the program
void stop_on_signals(StopFlag& stop);

/// Asks the run to stop (SIGTERM) when the process that started this one is gone: ranks whose
/// launcher was killed would go on unseen, and keep the work folder locked.
void stop_without_launcher();

}  // namespace tessera::cli
