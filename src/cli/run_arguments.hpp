#pragma once
#include <string>
#include <vector>

#include "jobs/settings/job_file.hpp"
#include "jobs/work_folder.hpp"

// What `run` and `redo` share.
namespace tessera::cli {

struct RunArguments {
  std::string job;
  std::string module;  // of a redo
  std::vector<std::string> set;
  bool resume = false, fresh = false, json = false, verbose = false;
  bool dry_run = false;  // of a redo

  jobs::ExistingRun existing() const {
    if (!module.empty()) return jobs::ExistingRun::redo;
    if (resume) return jobs::ExistingRun::resume;
    return fresh ? jobs::ExistingRun::discard : jobs::ExistingRun::refuse;
  }
};

/// The job file with what --set changes; of a redo the settings of the layers it names.
jobs::JobFile read_job_of(const RunArguments& arguments);

/// Alone or as one of several ranks, whatever becomes of it. Returns the exit code.
int run_as_launched(const RunArguments& arguments);

}  // namespace tessera::cli
