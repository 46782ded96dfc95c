#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "jobs/settings/job_file.hpp"
#include "jobs/status.hpp"
#include "schedulers/launch/submission.hpp"

namespace fs = std::filesystem;

namespace tessera::cli {
namespace {

struct SubmitArguments {
  std::string job;
  std::string launcher = "slurm";
  std::vector<std::string> set;
  bool dry_run = false, status = false, cancel = false, json = false;
};

bool parse(const Arguments& words, SubmitArguments& a) {
  CommandLine line(
      "submit",
      "Hands a job to Slurm, as its slurm section says, or starts it in the background "
      "of this machine; there it\nruns with --resume. Checks the job first, and refuses "
      "a second submission for the same work folder.");
  line.argument("JOB.yaml", "the job", a.job);
  line.option("launcher", "NAME", "slurm (when nothing is said) or local", a.launcher);
  line.flag("dry-run", "print the script, and submit nothing", a.dry_run);
  line.flag("status", "say where the last submission stands", a.status);
  line.flag("cancel", "end the last submission; what was committed is kept", a.cancel);
  line.options("set", "KEY=VALUE", "another value for a key of the job; may be given again", a.set);
  line.flag("json", "print it as one JSON document", a.json);
  line.example("tessera submit job.yaml --dry-run");
  line.example("tessera submit job.yaml --set slurm.nodes=8 --set slurm.time=12:00:00");
  line.example("tessera submit job.yaml --status");
  if (!line.parse(words)) return false;
  require_input(a.dry_run + a.status + a.cancel <= 1,
                "--dry-run, --status and --cancel exclude each other. Choose one.");
  return true;
}

/// The job file's name, in letters that a batch system takes.
std::string name_of_job(const fs::path& file) {
  std::string name = file.stem().string();
  for (char& c : name) {
    const bool is_plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
    if (!is_plain) c = '-';
  }
  return name;
}

schedulers::LaunchRequest request_of(const SubmitArguments& a, const jobs::QuantizeJob& job) {
  schedulers::LaunchRequest request;
  request.name = name_of_job(a.job);
  request.program = fs::read_symlink("/proc/self/exe");
  request.words = {"run", a.job, "--resume"};
  if (a.launcher == "slurm") request.words.push_back("--json");  // its output becomes a file
  for (const std::string& option : a.set) {
    request.words.push_back("--set");
    request.words.push_back(option);
  }
  request.settings = job.slurm;
  return request;
}

schedulers::Submission submission_of(const fs::path& work_dir) {
  auto submission = schedulers::last_submission(work_dir);
  if (!submission) {
    throw InputError(fmt::format(
        "nothing was submitted for {} (it holds no submitted.json). Leave out --status and "
        "--cancel to submit it.",
        work_dir.string()));
  }
  return *submission;
}

JsonValue document_of(const schedulers::Submission& submission, const fs::path& work_dir) {
  return JsonValue::object()
      .set("launcher", submission.launcher)
      .set("id", submission.id)
      .set("name", submission.name)
      .set("work_dir", work_dir.string());
}

int print_script(const schedulers::Launcher& launcher, const schedulers::LaunchRequest& request,
                 bool json) {
  const std::string script = launcher.render(request);
  const auto document = JsonValue::object().set("launcher", launcher.name()).set("script", script);
  fmt::print("{}", json ? document.to_text(2) + "\n" : script);
  return kDone;
}

int print_status(const fs::path& work_dir, bool json) {
  const auto submission = submission_of(work_dir);
  const auto launcher = schedulers::make_launcher(submission.launcher, work_dir);
  const auto [id, status] =
      schedulers::status_of(*launcher, schedulers::all_ids(work_dir, submission));
  if (json) {
    auto document = document_of(submission, work_dir);
    document.set("id", id)
        .set("state", name_of(status.state))
        .set("word", status.word)
        .set("detail", status.detail);
    fmt::print("{}\n", document.to_text(2));
  } else {
    fmt::print("{} job {} ({}, submitted {}): {}{}{}\n", submission.launcher, id, submission.name,
               submission.submitted_at, name_of(status.state),
               status.word.empty() ? "" : " [" + status.word + "]",
               status.detail.empty() ? "" : " " + status.detail);
  }
  return kDone;
}

/// Those that wait first, so that none of them starts while the one before is ended.
int cancel(const fs::path& work_dir, bool json) {
  const auto submission = submission_of(work_dir);
  const auto launcher = schedulers::make_launcher(submission.launcher, work_dir);
  auto ids = schedulers::all_ids(work_dir, submission);
  for (; !ids.empty(); ids.pop_back()) launcher->cancel(ids.back());
  if (json) {
    fmt::print("{}\n", document_of(submission, work_dir).to_text(2));
  } else {
    fmt::print(
        "asked for the end of {} job {}; the same submission goes on from what is "
        "committed\n",
        submission.launcher, submission.id);
  }
  return kDone;
}

int submit(const SubmitArguments& a, const jobs::QuantizeJob& job) {
  const fs::path& work_dir = job.runtime.work_dir;
  const jobs::RunStatus run = jobs::read_status(work_dir);
  require_input(
      run.held_by.empty(),
      fmt::format("{} is in use ({}; a second run would be refused). Wait for that run to "
                  "end, stop it, or name another runtime.work_dir.",
                  work_dir.string(), run.held_by));
  const auto launcher = schedulers::make_launcher(a.launcher, work_dir);
  const auto submission = schedulers::submit_once(*launcher, request_of(a, job), work_dir);
  if (a.json) {
    fmt::print("{}\n", document_of(submission, work_dir).to_text(2));
  } else {
    fmt::print("{}\n", submission.id);
    fmt::print(stderr,
               "{} job {} ({}) is submitted.\n  tessera status {}\n  tessera submit {} --status\n",
               submission.launcher, submission.id, submission.name, work_dir.string(), a.job);
  }
  return kDone;
}

}  // namespace

int submit_verb(const Arguments& words) {
  SubmitArguments arguments;
  if (!parse(words, arguments)) return kDone;
  const auto file = jobs::read_job(arguments.job, arguments.set);
  const fs::path& work_dir = file.job.runtime.work_dir;
  if (arguments.status) return print_status(work_dir, arguments.json);
  if (arguments.cancel) return cancel(work_dir, arguments.json);
  for (const std::string& note : file.notes) fmt::print(stderr, "note: {}\n", note);
  const auto launcher = schedulers::make_launcher(arguments.launcher, work_dir);
  if (arguments.dry_run) {
    return print_script(*launcher, request_of(arguments, file.job), arguments.json);
  }
  return submit(arguments, file.job);
}

}  // namespace tessera::cli
