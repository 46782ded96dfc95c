#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "jobs/attempt_events.hpp"

// What a work folder tells of its run, alive or dead, on any machine that sees the folder. Reads
// journals, events, signs of life and the lock; writes nothing.
namespace tessera::jobs {

enum class RunState {
  nothing,    ///< no run was begun here
  running,    ///< somebody holds the folder
  resumable,  ///< not running, not finished
  finished,   ///< the output was published from what is committed
};

/// One rank of the last attempt.
struct RankStatus {
  std::size_t rank = 0;
  std::string host;
  long process_id = 0;
  double sign_age_seconds = 0;  ///< since its last sign of life
  std::size_t num_solved = 0;   ///< layers, in this attempt
};

struct RunStatus {
  std::filesystem::path work_dir;
  RunState state = RunState::nothing;
  std::string held_by;   ///< in words; empty when nobody does, or the file system has no locks
  std::string progress;  ///< "calibrated 12 of 30 blocks, solved 4 of 210 layers", or "finished"
  std::size_t num_blocks = 0, num_calibrated = 0, num_layers = 0, num_solved = 0;
  std::size_t num_attempts = 0;
  std::optional<StageEvents> stage;            ///< as the rank that knows most of it tells
  std::optional<double> progress_age_seconds;  ///< since that rank's last progress event
  std::vector<RankStatus> ranks;      ///< slowest first: fewest solved, then longest silent
  std::vector<std::string> warnings;  ///< the last few of the last attempt
  std::string error;                  ///< what ended the last attempt; empty when nothing did
  std::optional<int> exit_code;       ///< of the last attempt, when it said so

  static constexpr std::size_t kMaxWarnings = 5;
};

/// @p work_dir need not exist: then nothing is there.
RunStatus read_status(const std::filesystem::path& work_dir);

/// "running", "resumable", "finished", "nothing there".
std::string name_of(RunState state);

JsonValue to_json(const RunStatus& status);

}  // namespace tessera::jobs
