#pragma once
#include <cstddef>
#include <string>

#include "jobs/settings/job_settings.hpp"

namespace tessera::jobs {

/// Windows of evaluation text: the job's, or as many as its text is likely to have; 0 where nothing
/// is scored.
struct PlannedWindows {
  std::size_t count = 0;
  std::string remark;  ///< where it is a guess, a sentence
};
PlannedWindows plan_windows(const QuantizeJob& job);

}  // namespace tessera::jobs
