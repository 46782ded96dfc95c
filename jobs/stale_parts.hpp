#pragma once
#include <set>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

// What a redo of some layers makes again and what it keeps, said before it happens.
namespace tessera::jobs {

struct StaleParts {
  std::vector<std::string> layers;  ///< solved again
  std::vector<std::string> scales;  ///< of inputs, found again: where all layers' settings differ
  std::vector<std::string> shards;  ///< of the packed model that hold one of the layers
  std::vector<std::string>
      residuals;                    ///< files of residuals: each says which weights it belongs to
  std::vector<std::string> scores;  ///< of the packed model; that of the original stays
  std::vector<std::string> papers;  ///< that are written after those, the gate's verdict with them
  std::vector<std::string> kept;    ///< calibration, other layers and scales, other shards
};

/// The files below solved/ of the units whose name @p pattern matches. Throws InputError where
/// there are none.
std::set<std::string> solved_files(const std::vector<LayerUnit>& units, const std::string& pattern);

/// What a redo of @p redone, files below solved/, would make again of the run in @p work. Shards
/// are those that were assembled last: layers of other sizes may move tensors to others. Throws
/// InputError when the job of @p prepared is none that a redo may change the run's into.
StaleParts find_stale(const PreparedRun& prepared, const WorkFolder& work,
                      const std::set<std::string>& redone);

/// The same for a job, from headers and journals alone; writes nothing. The contents of model and
/// texts are taken to be those of the run. Throws InputError when there is no run.
StaleParts preview_redo(RunContext& run, const QuantizeJob& job);

/// A line for each kind of thing.
std::vector<std::string> lines_of(const StaleParts& stale);
JsonValue to_json(const StaleParts& stale);

}  // namespace tessera::jobs
