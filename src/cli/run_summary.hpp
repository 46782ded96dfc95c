#pragma once
#include <string>

#include "jobs/run_report.hpp"

namespace tessera::cli {

/// What a person wants to know at the end of a run: the figures, before and after, in a table;
/// where the output and the report are; how to load the model in Python, or why it was not
/// published.
std::string run_summary(const jobs::RunReport& report);

}  // namespace tessera::cli
