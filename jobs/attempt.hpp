#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "cluster/rank_watch.hpp"
#include "jobs/run_context.hpp"
#include "jobs/settings/job_settings.hpp"
#include "jobs/work_lock.hpp"

namespace tessera::jobs {

/// One start of a run, from the moment it may write to its work folder: nobody else may, the ranks
/// watch over each other (WORK/ranks), and what fails on one rank is told to all. Collective.
class Attempt {
 public:
  Attempt(RunContext& run, const RuntimeSettings& settings);
  ~Attempt();

  /// Runs the rest of the story. An exception on this rank asks the others to stop, with the exit
  /// code and the words that belong to it, and goes on its way.
  template <class Story>
  auto guard(Story&& story) -> std::invoke_result_t<Story> {
    try {
      return story();
    } catch (const std::exception& error) {
      tell(error);
      throw;
    }
  }

 private:
  void tell(const std::exception& error);

  RunContext& run_;
  WorkLock lock_;
  std::optional<cluster::RankWatch> watch_;
};

/// What the program leaves with when @p error ends it: 2 the user's mistake, 75 interrupted, 1
/// anything else.
int exit_code_of(const std::exception& error);

}  // namespace tessera::jobs
