#pragma once
#include <string>

#include "core/error.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::jobs {

/// What every job must give, in six lines; tests go on in line 7.
inline constexpr const char* kShortestJob = R"(model:
  path: models/a
calibration: {text: a.txt}
output: {dir: models/b}
runtime:
  work_dir: work/b
)";

/// What is said about a wrong job; @p more follows the shortest one.
inline std::string message_for(const std::string& more, const std::string& start = kShortestJob) {
  try {
    job_from_text(start + more, "a.yaml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no problem";
}

}  // namespace tessera::jobs
