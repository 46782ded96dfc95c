#pragma once
#include <string>

#include "jobs/preflight.hpp"

namespace tessera::cli {

/// A preflight for people: a line a check, then what is not well, rank by rank, and what to do.
std::string preflight_text(const jobs::PreflightReport& report);

}  // namespace tessera::cli
