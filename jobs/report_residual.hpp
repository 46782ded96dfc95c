#pragma once
#include <string>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

/// The part of report.html on residuals: perplexity against k_chunk as a curve and a table, and
/// what each way of choosing channels leaves of the error, by kind of layer. Empty where none were
/// made.
std::string residual_section(const RunReport& report);

}  // namespace tessera::jobs
