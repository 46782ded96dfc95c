#include "schedulers/launch/local_launcher.hpp"

#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>

#include "cluster/communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/child_process.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "core/stop.hpp"

namespace fs = std::filesystem;

namespace tessera::schedulers {
namespace {

/// A process that no other will ever be: numbers are used again, but not with the same start.
struct ProcessIdentity {
  std::int64_t id = 0;
  std::int64_t start = 0;  ///< in ticks since the machine's boot
  std::string boot, host;
  bool operator==(const ProcessIdentity&) const = default;
};

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

struct ProcessState {
  std::int64_t start = 0;
  bool is_zombie = false;
};

/// From /proc/N/stat (man 5 proc: fields 3 and 22); nothing where there is no such process.
std::optional<ProcessState> state_of(std::int64_t id) {
  const std::string stat = first_line(fmt::format("/proc/{}/stat", id));
  const auto after_name = stat.rfind(')');  // the name may hold anything
  if (after_name == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(after_name + 1));
  std::string state, skipped;
  fields >> state;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  std::int64_t start = 0;
  if (!(fields >> start)) return std::nullopt;
  return ProcessState{start, state == "Z"};
}

ProcessIdentity identity_of(std::int64_t id, std::int64_t start) {
  return {id, start, first_line("/proc/sys/kernel/random/boot_id"), cluster::host_name()};
}

void write_identity(const fs::path& file, const ProcessIdentity& p) {
  const auto record = JsonValue::object()
                          .set("id", p.id)
                          .set("start", p.start)
                          .set("boot", p.boot)
                          .set("host", p.host);
  write_file_atomically(file, record.to_text() + "\n");
}

std::optional<ProcessIdentity> read_identity(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  const JsonValue record = JsonValue::parse(read_text_file(file), file.string());
  return ProcessIdentity{record.at("id").integer(), record.at("start").integer(),
                         record.at("boot").text(), record.at("host").text()};
}

bool is_alive(const ProcessIdentity& p) {
  const auto now = state_of(p.id);
  return now && !now->is_zombie && identity_of(p.id, now->start) == p;
}

/// A shell that keeps a run: it outlives the signals its group gets, and notes in the file $0 that
/// the run has begun, and how it ended (a signal ends a wait, not the run). It begins to catch them
/// after the run's process is made, which would swallow them otherwise until it is the program.
constexpr const char* kKeeper = R"(
"$@" &
run=$!
trap : USR1 TERM INT HUP
echo running >"$0"
wait $run; code=$?
while kill -0 $run 2>/dev/null; do wait $run; code=$?; done
echo $code >"$0")";

/// Until the run has begun: a signal before that would be the shell's alone.
void wait_for(const fs::path& file) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries && first_line(file).empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::vector<std::string> command_of(const LaunchRequest& request) {
  std::vector<std::string> command;
  const int ranks = request.settings.ntasks_per_node;
  if (ranks > 1) command = {"mpirun", "-n", std::to_string(ranks)};
  command.push_back(request.program.string());
  command.insert(command.end(), request.words.begin(), request.words.end());
  return command;
}

JobStatus ended_with(const std::string& text) {
  int code = -1;
  const bool is_told =
      std::from_chars(text.data(), text.data() + text.size(), code).ec == std::errc();
  const std::string word = is_told ? "exit code " + text : "gone";
  constexpr int kDegraded = 3;
  if (code == 0 || code == kDegraded) return {JobState::completed, word, ""};
  if (code == Interrupted::kResumable || code == 128 + SIGUSR1) {
    return {JobState::cancelled, word, "interrupted; what was committed is kept"};
  }
  return {JobState::failed, word, "its log tells why"};
}

}  // namespace

std::string LocalLauncher::render(const LaunchRequest& request) const {
  std::string script = fmt::format(
      "#!/usr/bin/env bash\n# in the background of this machine, in {}; its log is {}\nexec",
      fs::current_path().string(), file("local.log").string());
  for (const std::string& word : command_of(request)) script += " " + shell_word(word);
  return script + "\n";
}

std::string LocalLauncher::submit(const LaunchRequest& request) {
  fs::remove(file("local.exit"));
  const Descriptor log(file("local.log"), O_WRONLY | O_CREAT | O_APPEND);
  std::vector<std::string> command = {"sh", "-c", kKeeper, file("local.exit").string()};
  for (std::string& word : command_of(request)) command.push_back(std::move(word));
  const pid_t child =
      start_child(command, {.in = {}, .out = log.get(), .err = log.get(), .own_session = true});
  const auto started = state_of(child);
  require(started.has_value(), "a child that nobody has waited for is there");
  write_identity(file("local.pid"), identity_of(child, started->start));
  wait_for(file("local.exit"));
  return std::to_string(child);
}

JobStatus LocalLauncher::status(const std::string& id) const {
  const auto known = read_identity(file("local.pid"));
  if (!known || std::to_string(known->id) != id) {
    return {JobState::unknown, "", "another was started since"};
  }
  if (known->host != cluster::host_name()) {
    return {JobState::unknown, "on " + known->host, "only that machine knows"};
  }
  if (is_alive(*known)) return {JobState::running, "running", "on " + known->host};
  return ended_with(first_line(file("local.exit")));
}

void LocalLauncher::cancel(const std::string& id) {
  const auto known = read_identity(file("local.pid"));
  if (!known || std::to_string(known->id) != id) return;
  if (known->host != cluster::host_name()) {
    throw MachineError(fmt::format("process {} runs on {} (this is {}). Cancel it there.", id,
                                   known->host, cluster::host_name()));
  }
  if (!is_alive(*known)) return;
  if (::kill(static_cast<pid_t>(-known->id), SIGUSR1) != 0 && errno != ESRCH) {
    throw MachineError::from_errno(fmt::format("cannot ask process {} to stop", id));
  }
}

}  // namespace tessera::schedulers
