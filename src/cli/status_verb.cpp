#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/signals.hpp"
#include "cli/status_text.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "core/stop.hpp"
#include "jobs/settings/job_file.hpp"
#include "jobs/status.hpp"

namespace fs = std::filesystem;

namespace tessera::cli {
namespace {

struct StatusArguments {
  std::string path;
  std::vector<std::string> set;
  bool watch = false, json = false;
};

bool parse(const Arguments& words, StatusArguments& a) {
  CommandLine line("status",
                   "Says how far a run is, alive or dead, from any machine that sees its work "
                   "folder. Writes nothing.");
  line.argument("WORK_DIR|JOB.yaml", "the work folder, or the job that names it", a.path);
  line.flag("watch", "look again every 2 s until the run ends or Ctrl-C", a.watch);
  line.options("set", "KEY=VALUE", "another value for a key of the job; may be given again", a.set);
  line.flag("json", "print it as one JSON document", a.json);
  line.example("tessera status work/smollm2-vptq --watch");
  line.example("tessera status configs/jobs/smollm2_vptq_2bit.yaml --json");
  if (!line.parse(words)) return false;
  require_input(!(a.watch && a.json),
                "--watch and --json exclude each other (--json prints one document). Choose one.");
  return true;
}

fs::path work_dir_of(const StatusArguments& a) {
  if (fs::is_directory(a.path)) {
    require_input(a.set.empty(), fmt::format("--set changes a job, and {} is a folder. Leave it "
                                             "out, or name the job.",
                                             a.path));
    return a.path;
  }
  if (fs::exists(a.path)) return jobs::read_job(a.path, a.set).job.runtime.work_dir;
  throw InputError(fmt::format(
      "{} does not exist. Name a work folder (runtime.work_dir of a job) or a job.", a.path));
}

bool stdout_is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

void sleep_unless_stopped(const StopFlag& stop) {
  constexpr std::chrono::milliseconds kInterval(2000), kGlance(50);
  const auto end = std::chrono::steady_clock::now() + kInterval;
  while (!stop.is_set() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kGlance);
  }
}

int watch(const fs::path& work_dir) {
  static StopFlag stop;
  stop_on_signals(stop);
  const bool is_terminal = stdout_is_terminal();
  for (;;) {
    const jobs::RunStatus status = jobs::read_status(work_dir);
    if (is_terminal) {
      fmt::print("\x1b[H\x1b[2J{}", status_text(status));
    } else {
      fmt::print("{}\n", status_line(status));
    }
    if (std::fflush(stdout) != 0 || status.state != jobs::RunState::running) return kDone;
    sleep_unless_stopped(stop);
    if (stop.is_set()) return kDone;
  }
}

}  // namespace

int status_verb(const Arguments& words) {
  StatusArguments arguments;
  if (!parse(words, arguments)) return kDone;
  const fs::path work_dir = work_dir_of(arguments);
  if (arguments.watch) return watch(work_dir);
  const jobs::RunStatus status = jobs::read_status(work_dir);
  fmt::print("{}", arguments.json ? jobs::to_json(status).to_text(2) + "\n" : status_text(status));
  return kDone;
}

}  // namespace tessera::cli
