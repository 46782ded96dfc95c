#include "jobs/work_folder.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {

WorkFolder::WorkFolder(fs::path root, Log& log)
    : root_(std::move(root)), log_(log), journal_(root_ / "journal.jsonl") {
  std::size_t num_damaged = journal_.num_damaged_lines();
  for (const JsonValue& line : journal_.lines()) {
    try {
      take(line);
    } catch (const InputError&) {
      ++num_damaged;  // JSON, but not what this program writes
    }
  }
  if (!run_) forget_run();  // without the line that says whose they are, commits count for nothing
  if (num_damaged > 0) {
    log_.warning(fmt::format("{}: {} damaged lines are left out; what they stood for is made again",
                             journal_.file().string(), num_damaged));
  }
}

void WorkFolder::take(const JsonValue& line) {
  if (line.contains("run")) {
    forget_run();
    run_ = Fingerprint::from_json(line.at("run"));
    run_id_ = run_->id();
    const JsonValue& size = line.at("size");
    size_ = {static_cast<std::size_t>(size.at("blocks").integer()),
             static_cast<std::size_t>(size.at("layers").integer())};
  } else if (line.contains("commit")) {
    committed_[line.at("commit").text()] = line.at("sha256").text();
    finished_.reset();  // something was made again after the end
  } else if (line.contains("stage")) {
    seconds_[line.at("stage").text()] += line.at("seconds").number();
    peak_memory_bytes_ = std::max(
        peak_memory_bytes_, static_cast<std::uint64_t>(line.at("peak_memory_bytes").integer()));
  } else if (line.contains("finished")) {
    finished_ = line.at("finished").text();
  }
}

std::size_t WorkFolder::count_committed(const std::string& prefix) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      committed_, [&](const auto& entry) { return entry.first.starts_with(prefix); }));
}

std::string WorkFolder::how_far() const {
  if (finished_) return "finished";
  return fmt::format("calibrated {} of {} blocks, solved {} of {} layers",
                     count_committed("calibration/"), size_.num_blocks, count_committed("solved/"),
                     size_.num_layers);
}

void WorkFolder::require_usable(ExistingRun existing) const {
  if (existing != ExistingRun::refuse || !holds_run()) return;
  throw InputError(fmt::format(
      "{} holds a run already ({}). Go on with it (--resume), throw it away (--fresh), or name "
      "another runtime.work_dir.",
      root_.string(), how_far()));
}

void WorkFolder::begin(const Fingerprint& fingerprint, const RunSize& size, ExistingRun existing) {
  require_usable(existing);
  if (existing == ExistingRun::discard) discard();
  fs::create_directories(root_);
  if (holds_run()) {
    const auto differences = fingerprint.differences_from(*run_);
    if (differences.empty()) return;
    throw InputError(fmt::format(
        "{} holds a run of another job ({}): {}. Mend the job, throw the run away (--fresh), or "
        "name another runtime.work_dir.",
        root_.string(), how_far(), fmt::join(differences, "; ")));
  }
  JsonValue line = JsonValue::object();
  line.set("run", fingerprint.to_json());
  line.set("size",
           JsonValue::object().set("blocks", size.num_blocks).set("layers", size.num_layers));
  journal_.append(line);
  take(line);
}

// The journal goes first: without it nothing else in the folder counts. Tokens stay: they carry
// their own digests.
void WorkFolder::discard() {
  for (const char* name : {"journal.jsonl", "job.yaml", "report.json", "report.html",
                           "quant_log.csv", "calibration", "solved", "evaluation"}) {
    fs::remove_all(root_ / name);
  }
  journal_ = Journal(journal_.file());
  forget_run();
}

void WorkFolder::forget_run() {
  run_.reset();
  committed_.clear();
  verified_.clear();
  seconds_.clear();
  peak_memory_bytes_ = 0;
  finished_.reset();
}

std::optional<std::string> WorkFolder::digest_of(const std::string& file) const {
  const auto found = committed_.find(file);
  if (found == committed_.end()) return std::nullopt;
  return found->second;
}

bool WorkFolder::is_committed(const std::string& file) {
  const auto found = committed_.find(file);
  if (found == committed_.end()) return false;
  if (verified_.contains(file)) return true;
  const bool is_there = fs::exists(path(file));
  if (is_there && digest_of_file(path(file)) == found->second) {
    verified_.insert(file);
    return true;
  }
  if (is_there) fs::rename(path(file), path(file + ".bad"));
  log_.warning(
      is_there
          ? fmt::format("{} is not what was committed; it is set aside as {}.bad and made again",
                        path(file).string(), path(file).filename().string())
          : fmt::format("{} is gone; it is made again", path(file).string()));
  committed_.erase(found);
  return false;
}

store::Identity WorkFolder::identity(const std::string& kind, const std::string& file) const {
  require(holds_run(), "work files belong to a run: begin() comes first");
  return {{"kind", kind}, {"unit", file}, {"run", run_id_}};
}

void WorkFolder::journal_commit(const std::string& file, const std::string& digest) {
  const auto line = JsonValue::object().set("commit", file).set("sha256", digest);
  journal_.append(line);
  take(line);
  verified_.insert(file);
}

void WorkFolder::record_stage(const std::string& stage, double seconds,
                              std::uint64_t peak_memory_bytes) {
  if (finished_) return;  // looking at a finished run again is no part of it
  const auto line = JsonValue::object()
                        .set("stage", stage)
                        .set("seconds", seconds)
                        .set("peak_memory_bytes", peak_memory_bytes);
  journal_.append(line);
  take(line);
}

double WorkFolder::seconds_of(const std::string& stage) const {
  const auto found = seconds_.find(stage);
  return found == seconds_.end() ? 0 : found->second;
}

std::uint64_t WorkFolder::peak_memory_bytes() const {
  return peak_memory_bytes_;
}

void WorkFolder::record_finished(const std::string& manifest_digest) {
  const auto line = JsonValue::object().set("finished", manifest_digest);
  journal_.append(line);
  take(line);
}

}  // namespace tessera::jobs
