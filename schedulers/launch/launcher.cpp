#include "schedulers/launch/launcher.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "schedulers/launch/local_launcher.hpp"
#include "schedulers/launch/slurm_launcher.hpp"

namespace tessera::schedulers {

std::string name_of(JobState state) {
  switch (state) {
    case JobState::queued:
      return "queued";
    case JobState::running:
      return "running";
    case JobState::completed:
      return "completed";
    case JobState::failed:
      return "failed";
    case JobState::cancelled:
      return "cancelled";
    case JobState::timed_out:
      return "timed out";
    case JobState::preempted:
      return "preempted";
    case JobState::node_failed:
      return "lost a node";
    case JobState::out_of_memory:
      return "out of memory";
    case JobState::unknown:
      return "unknown";
  }
  throw Bug("a state without a name");
}

bool JobStatus::may_be_alive() const {
  return state == JobState::queued || state == JobState::running ||
         (state == JobState::unknown && !word.empty());
}

std::unique_ptr<Launcher> make_launcher(const std::string& name,
                                        const std::filesystem::path& work_dir) {
  if (name == "slurm") return std::make_unique<SlurmLauncher>(work_dir);
  if (name == "local") return std::make_unique<LocalLauncher>(work_dir);
  throw InputError(
      fmt::format("the launcher is '{}' (there are slurm and local). Choose one of these.", name));
}

std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace tessera::schedulers
