#pragma once
#include <string>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

/// report.html: the run on one page that needs nothing else (no scripts, no other files) and reads
/// in light and dark. The figures that matter, error and time of each layer as heat maps over
/// blocks and modules, time per stage, perplexity before and after, what was noteworthy, all layers
/// in a table, and the job as understood. Everything from outside (names, paths, remarks, the job)
/// is escaped.
std::string report_html(const RunReport& report);

}  // namespace tessera::jobs
