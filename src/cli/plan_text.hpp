#pragma once
#include <string>

#include "jobs/job_plan.hpp"

namespace tessera::cli {

/// A plan for people: bytes, stages with where each time comes from, #SBATCH lines, what was
/// assumed and what does not fit.
std::string plan_text(const jobs::JobPlan& plan);

}  // namespace tessera::cli
