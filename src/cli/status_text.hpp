#pragma once
#include <string>

#include "jobs/status.hpp"

namespace tessera::cli {

/// A run's status as a page for people: what it is doing, how long it will take, its ranks, the
/// last warnings and what ended it.
std::string status_text(const jobs::RunStatus& status);

/// The same as one line, for files and pipes: "running  solve 12/210 layers  5.1/s  ETA 1m20s".
std::string status_line(const jobs::RunStatus& status);

}  // namespace tessera::cli
