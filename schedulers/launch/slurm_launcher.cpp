#include "schedulers/launch/slurm_launcher.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/atomic_file.hpp"
#include "core/child_process.hpp"
#include "core/error.hpp"
#include "schedulers/launch/submission.hpp"

namespace fs = std::filesystem;

namespace tessera::schedulers {
namespace {

ChildResult call(const std::vector<std::string>& command) {
  static const StopFlag kToTheEnd;
  return run_child(command, kToTheEnd, [](const std::string&) {});
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

[[noreturn]] void refuse(const std::string& problem, const ChildResult& result,
                         const std::string& advice) {
  throw MachineError(fmt::format("{} (exit code {}: {}). {}", problem, result.exit_code,
                                 fmt::join(result.said, "; "), advice));
}

/// Of a job that the controller has forgotten, or never knew.
bool is_unknown_job(const ChildResult& result) {
  return std::ranges::any_of(result.said, [](const std::string& line) {
    return line.find("Invalid job id") != std::string::npos;
  });
}

}  // namespace

JobState state_of_slurm(std::string_view word) {
  // man squeue, JOB STATE CODES
  static constexpr std::pair<std::string_view, JobState> kWords[] = {
      {"PENDING", JobState::queued},        {"CONFIGURING", JobState::queued},
      {"REQUEUED", JobState::queued},       {"REQUEUE_HOLD", JobState::queued},
      {"REQUEUE_FED", JobState::queued},    {"RESV_DEL_HOLD", JobState::queued},
      {"SPECIAL_EXIT", JobState::queued},   {"RUNNING", JobState::running},
      {"COMPLETING", JobState::running},    {"SUSPENDED", JobState::running},
      {"STOPPED", JobState::running},       {"SIGNALING", JobState::running},
      {"RESIZING", JobState::running},      {"STAGE_OUT", JobState::running},
      {"COMPLETED", JobState::completed},   {"FAILED", JobState::failed},
      {"CANCELLED", JobState::cancelled},   {"REVOKED", JobState::cancelled},
      {"TIMEOUT", JobState::timed_out},     {"DEADLINE", JobState::timed_out},
      {"PREEMPTED", JobState::preempted},   {"NODE_FAIL", JobState::node_failed},
      {"BOOT_FAIL", JobState::node_failed}, {"OUT_OF_MEMORY", JobState::out_of_memory}};
  const auto* found = std::ranges::find(kWords, word, [](const auto& pair) { return pair.first; });
  return found == std::end(kWords) ? JobState::unknown : found->second;
}

std::string SlurmLauncher::render(const LaunchRequest& request) const {
  const SlurmSettings& settings = request.settings;
  std::string script = "#!/usr/bin/env bash\n";
  for (const std::string& line : sbatch_lines(settings, request.name)) script += line + "\n";
  script +=
      fmt::format("\n# Made by tessera submit; to submit it again by hand, in {}:\n#   sbatch {}\n",
                  fs::current_path().string(), script_of(work_dir_).string());
  for (const std::string& line : settings.setup) script += line + "\n";

  script += "exec " + shell_word((request.program.parent_path() / "run_resumable.sh").string());
  script += fmt::format(" --max-attempts {} --mpi {}", settings.max_attempts, settings.mpi);
  if (!settings.requeue) {
    script += fmt::format(" --chain \"$0\" --successors {}",
                          shell_word(successors_of(work_dir_).string()));
  }
  script += " -- \\\n  " + shell_word(request.program.string());
  for (const std::string& word : request.words) script += " " + shell_word(word);
  return script + "\n";
}

std::string SlurmLauncher::submit(const LaunchRequest& request) {
  const fs::path script = script_of(work_dir_);
  write_file_atomically(script, render(request));
  const ChildResult result = call({"sbatch", "--parsable", script.string()});
  if (result.exit_code != 0) {
    refuse(fmt::format("sbatch refuses {}", script.string()), result,
           "Mend the job's slurm section, or ask the site what it accepts.");
  }
  for (const std::string& line : result.said) {  // among warnings: "4711", or "4711;cluster"
    const std::string id = line.substr(0, line.find(';'));
    if (is_number(id)) return id;
  }
  refuse("sbatch named no job", result, "Look with squeue --me whether it was submitted.");
}

JobStatus SlurmLauncher::status(const std::string& id) const {
  const ChildResult result =
      call({"squeue", "--noheader", "--states=all", "--jobs=" + id, "--format=tessera|%T|%R"});
  if (result.exit_code != 0 && !is_unknown_job(result)) {
    refuse(fmt::format("squeue does not tell of job {}", id), result,
           "Try again when Slurm answers.");
  }
  for (const std::string& line : result.said) {
    if (!line.starts_with("tessera|")) continue;  // a warning
    const auto bar = line.find('|', 8);
    const std::string word = line.substr(8, bar - 8);
    return {state_of_slurm(word), word, bar == std::string::npos ? "" : line.substr(bar + 1)};
  }
  return {JobState::unknown, "", "Slurm has forgotten it, or never knew it"};
}

void SlurmLauncher::cancel(const std::string& id) {
  const ChildResult result = call({"scancel", id});
  if (result.exit_code == 0 || is_unknown_job(result)) return;
  refuse(fmt::format("scancel does not end job {}", id), result, "Try again, or ask the site.");
}

}  // namespace tessera::schedulers
