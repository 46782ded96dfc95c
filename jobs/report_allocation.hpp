#pragma once
#include <string>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

/// The section of report.html on what a budget chose for each layer; empty where the job sets none.
std::string allocation_section(const RunReport& report);

}  // namespace tessera::jobs
