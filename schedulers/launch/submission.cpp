#include "schedulers/launch/submission.hpp"

#include <ctime>
#include <fstream>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <sys/file.h>

#include "cluster/communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"

namespace fs = std::filesystem;

namespace tessera::schedulers {
namespace {

fs::path record_of(const fs::path& work_dir) {
  return work_dir / "submitted.json";
}

void refuse_while_alive(const Submission& last, const SubmissionStatus& now,
                        const fs::path& work_dir) {
  if (!now.status.may_be_alive()) return;
  throw InputError(fmt::format(
      "{} is already submitted: {} job {} ({}, since {}) is {} (a second run in the same folder "
      "would be refused). Wait for it, end it with --cancel, or name another runtime.work_dir.",
      work_dir.string(), last.launcher, now.id, last.name, last.submitted_at,
      now.status.state == JobState::unknown ? now.status.word : name_of(now.status.state)));
}

}  // namespace

fs::path script_of(const fs::path& work_dir) {
  return work_dir / "submit.slurm";
}

fs::path successors_of(const fs::path& work_dir) {
  return work_dir / "submitted.successors";
}

void remember(const fs::path& work_dir, const Submission& s) {
  const JsonValue record = JsonValue::object()
                               .set("launcher", s.launcher)
                               .set("id", s.id)
                               .set("name", s.name)
                               .set("host", s.host)
                               .set("submitted_at", s.submitted_at);
  write_file_atomically(record_of(work_dir), record.to_text(2) + "\n");
}

std::optional<Submission> last_submission(const fs::path& work_dir) {
  const fs::path file = record_of(work_dir);
  if (!fs::exists(file)) return std::nullopt;
  const JsonValue record = JsonValue::parse(read_text_file(file), file.string());
  return Submission{record.at("launcher").text(), record.at("id").text(), record.at("name").text(),
                    record.at("host").text(), record.at("submitted_at").text()};
}

std::vector<std::string> all_ids(const fs::path& work_dir, const Submission& submission) {
  std::vector<std::string> ids = {submission.id};
  std::ifstream file(successors_of(work_dir));
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) ids.push_back(line);
  }
  return ids;
}

SubmissionStatus status_of(const Launcher& launcher, const std::vector<std::string>& ids) {
  SubmissionStatus waiting, known{ids.front(), launcher.status(ids.front())};
  for (const std::string& id : ids) {
    const JobStatus status = id == ids.front() ? known.status : launcher.status(id);
    if (status.state == JobState::running) return {id, status};
    if (status.may_be_alive() && waiting.id.empty()) waiting = {id, status};
    // One that was taken back before it began says nothing of the run.
    if (!status.word.empty() && status.state != JobState::cancelled) known = {id, status};
  }
  return waiting.id.empty() ? known : waiting;
}

Submission submit_once(Launcher& launcher, const LaunchRequest& request, const fs::path& work_dir) {
  fs::create_directories(work_dir);
  const Descriptor lock(work_dir / "lock.submit", O_RDWR | O_CREAT);
  // Where the file system has no locks, two at the same moment are not kept apart here but by the
  // run.
  [[maybe_unused]] const int has_turn = ::flock(lock.get(), LOCK_EX);
  if (const auto last = last_submission(work_dir)) {
    const auto asked = make_launcher(last->launcher, work_dir);
    refuse_while_alive(*last, status_of(*asked, all_ids(work_dir, *last)), work_dir);
  }
  fs::remove(successors_of(work_dir));
  const Submission submission{
      launcher.name(), launcher.submit(request), request.name, cluster::host_name(),
      fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::time(nullptr)))};
  remember(work_dir, submission);
  return submission;
}

}  // namespace tessera::schedulers
