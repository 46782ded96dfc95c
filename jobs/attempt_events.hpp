#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "core/log.hpp"

namespace tessera::jobs {

/// A stage as its progress events tell it. Units differ in size, so the time left follows the share
/// of the work that is done (Progress::done_cost), not the count. What was done before the first
/// event (a resumed run) counts for neither.
struct StageEvents {
  Progress first, last;
  double first_time = 0, last_time = 0;  ///< seconds since 1970

  double seconds() const { return last_time - first_time; }
  std::optional<double> rate() const;       ///< units a second
  std::optional<double> remaining() const;  ///< seconds, counted from the last event
};

/// The last attempt of one rank, from the events it left (JsonlLog).
struct AttemptEvents {
  std::size_t num_attempts = 0;      ///< in the whole file
  std::optional<StageEvents> stage;  ///< the one it is, or was, in
  std::size_t num_solved = 0;        ///< layers this rank solved in this attempt
  std::vector<std::string> warnings;
  std::string error;             ///< what ended it; empty when nothing did
  std::optional<int> exit_code;  ///< of an attempt that has ended
};

/// Takes one event after the other, and knows the attempt so far.
class AttemptReader {
 public:
  /// A line of the file. One that is torn, or of a type nobody knows, is left out.
  void take(const std::string& line);
  const AttemptEvents& events() const { return events_; }

 private:
  void take_event(const JsonValue& event);
  void take_progress(const JsonValue& event);

  AttemptEvents events_;
};

/// Reads @p file, which a run may be writing. No events when there is no such file.
AttemptEvents read_attempt(const std::filesystem::path& file);

/// Seconds since 1970 of "2026-01-31T12:00:00.250Z"; throws InputError for another form.
double seconds_of_time(const std::string& text);

}  // namespace tessera::jobs
