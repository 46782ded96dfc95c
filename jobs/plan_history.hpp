#pragma once
#include <array>
#include <filesystem>
#include <string>

#include "jobs/planned_time.hpp"

namespace tessera::jobs {

/// What a run that is over says of a machine's speed: how long each stage took, beside what a table
/// of rates makes of that run's own job.
struct PlanHistory {
  std::array<double, kPlannedStages.size()> factor{};  ///< measured over predicted; 0: not known
  std::string work_dir;

  bool is_empty() const;
};

/// From the work folder of a run, whatever job it was of: its job.yaml, its journal and, where it
/// was finished, its report's ranks and threads. Empty where the folder holds no such run or its
/// model is gone. A stage that is missing, or was too short to tell (half a second), has no factor.
PlanHistory read_history(const std::filesystem::path& work_dir, const ClusterSettings& cluster,
                         Log& log);

}  // namespace tessera::jobs
