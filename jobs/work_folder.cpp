#include "jobs/work_folder.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "jobs/plan.hpp"
#include "store/sealed_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

constexpr const char* kFirstJournal = "journal.jsonl";

fs::path journal_of(const fs::path& root, std::size_t rank) {
  return root / (rank == 0 ? kFirstJournal : fmt::format("journal-rank-{:05}.jsonl", rank));
}

/// The other ranks' journals, of this attempt and of earlier ones on more ranks.
std::vector<fs::path> later_journals(const fs::path& root) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(root, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("journal-rank-") && name.ends_with(".jsonl")) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

JsonValue stage_line(const std::string& stage, double seconds, std::uint64_t peak_memory_bytes) {
  return JsonValue::object()
      .set("stage", stage)
      .set("seconds", seconds)
      .set("peak_memory_bytes", peak_memory_bytes);
}

}  // namespace

WorkFolder::WorkFolder(fs::path root, Log& log, std::size_t rank)
    : root_(std::move(root)), log_(log), journal_(journal_of(root_, rank)) {
  read_journals();
}

void WorkFolder::read_journals() {
  std::size_t num_damaged = 0;
  const auto read = [&](const Journal& journal) {
    num_damaged += journal.num_damaged_lines();
    for (const JsonValue& line : journal.lines()) {
      try {
        take(line);
      } catch (const InputError&) {
        ++num_damaged;  // JSON, but not what this program writes
      }
    }
  };
  read(Journal(journal_of(root_, 0)));
  if (run_) {
    for (const fs::path& file : later_journals(root_)) read(Journal(file));
  } else {
    forget_run();  // without the line that says whose they are, commits count for nothing
  }
  if (num_damaged > 0) {
    log_.warning(fmt::format("{}: {} damaged lines are left out; what they stood for is made again",
                             journal_.file().string(), num_damaged));
  }
}

void WorkFolder::refresh() {
  const auto verified = std::move(verified_);
  forget_run();
  read_journals();
  verified_ = verified;
}

void WorkFolder::take(const JsonValue& line) {
  if (line.contains("run")) {
    forget_run();
    run_ = Fingerprint::from_json(line.at("run"));
    run_id_ = line.at("id").text();
    const JsonValue& size = line.at("size");
    size_ = {static_cast<std::size_t>(size.at("blocks").integer()),
             static_cast<std::size_t>(size.at("layers").integer())};
  } else if (line.contains("commit")) {
    committed_[line.at("commit").text()].insert(line.at("sha256").text());
  } else if (line.contains("stage")) {
    seconds_[line.at("stage").text()] += line.at("seconds").number();
    peak_memory_bytes_ = std::max(
        peak_memory_bytes_, static_cast<std::uint64_t>(line.at("peak_memory_bytes").integer()));
  } else if (line.contains("finished")) {
    finished_ = line.at("finished").text();
    finished_commits_ = line.at("commits").text();
  }
}

std::vector<std::string> WorkFolder::committed_below(const std::string& prefix) const {
  std::vector<std::string> files;
  for (const auto& [file, digests] : committed_) {
    if (file.starts_with(prefix)) files.push_back(file);
  }
  return files;
}

std::size_t WorkFolder::num_calibrated() const {
  std::set<std::string> blocks;
  for (const std::string& file : committed_below("calibration/")) {
    if (file.find("/statistics-") != std::string::npos)
      blocks.insert(file.substr(0, file.rfind('/')));
  }
  return blocks.size();
}

std::size_t WorkFolder::num_solved() const {
  return committed_below("solved/").size();
}

std::string WorkFolder::how_far() const {
  if (finished_manifest()) return "finished";
  return fmt::format("calibrated {} of {} blocks, solved {} of {} layers", num_calibrated(),
                     size_.num_blocks, num_solved(), size_.num_layers);
}

namespace {

/// Whether what the sentence says differs has no part in the statistics of a calibration. What
/// calibration keeps beside its sums is a key of its own.
bool changes_no_calibration(const std::string& difference) {
  static constexpr std::string_view kKeys[] = {
      "quantize.method",        "quantize.vptq.",    "quantize.aweq.",
      "quantize.gptq.",         "quantize.rtn.",     "quantize.equalize",
      "quantize.dampening_frac", "quantize.seed",    "quantize.budget.", "residual.bits",
      "residual.scale_search",  "residual.plain_share", "residual.budget.",
      "evaluation.k_chunks",    "output."};
  return std::ranges::any_of(
      kKeys, [&](std::string_view key) { return difference.starts_with(key); });
}

/// Whether what recipes would do to layers stays true, and only the choice among them is another.
bool changes_choice_only(const std::string& difference) {
  return difference.starts_with("quantize.budget.bits_per_weight") ||
         difference.starts_with("quantize.budget.measure");
}

/// Whether a committed file was made from settings that are no more.
bool is_outdated(const std::string& file, bool keeps_measurements) {
  return file.starts_with("equalized/") || file == kAllocationFile ||
         (file.starts_with("allocation/") && !keeps_measurements);
}

}  // namespace

void WorkFolder::require_usable(ExistingRun existing) const {
  if (existing != ExistingRun::refuse || !holds_run()) return;
  throw InputError(fmt::format(
      "{} holds a run already ({}). Go on with it (--resume), throw it away (--fresh), or name "
      "another runtime.work_dir.",
      root_.string(), how_far()));
}

void WorkFolder::begin(const Fingerprint& fingerprint, const RunSize& size, ExistingRun existing,
                       const std::set<std::string>& made_again) {
  require_usable(existing);
  if (existing == ExistingRun::discard) discard();
  fs::create_directories(root_);
  if (!holds_run()) return start(fingerprint, size);
  if (existing == ExistingRun::redo) return redo(fingerprint, made_again);
  const auto differences = fingerprint.differences_from(*run_);
  if (differences.empty()) return;
  throw InputError(fmt::format(
      "{} holds a run of another job ({}): {}. Mend the job, throw the run away (--fresh), or "
      "name another runtime.work_dir.",
      root_.string(), how_far(), fmt::join(differences, "; ")));
}

void WorkFolder::start(const Fingerprint& fingerprint, const RunSize& size) {
  for (const fs::path& file : later_journals(root_)) fs::remove(file);  // of a run that is no more
  size_ = size;
  run_id_ = fingerprint.id();
  const JsonValue line = run_line(fingerprint);
  journal_.append(line);
  take(line);
}

/// One new journal replaces all: it says what is kept, under the job that is wanted now. The files'
/// identity stays that of the run they were made in.
void WorkFolder::redo(const Fingerprint& fingerprint, const std::set<std::string>& made_again) {
  const bool makes_all = made_again.size() == size_.num_layers;
  bool keeps_calibration_only = false, keeps_measurements = true;
  for (const std::string& difference : fingerprint.differences_from(*run_)) {
    if (difference.starts_with("quantize.overrides")) continue;
    if (makes_all && changes_no_calibration(difference)) {
      keeps_calibration_only = true;
      keeps_measurements = keeps_measurements && changes_choice_only(difference);
      continue;
    }
    throw InputError(
        fmt::format("{} holds a run of another job: {} (redo of some layers changes their settings "
                    "only; of all, with --module '.*', also what calibration does not depend on). "
                    "Mend the job, or run it with --fresh.",
                    root_.string(), difference));
  }
  std::vector<JsonValue> lines = {run_line(fingerprint)};
  for (const auto& [file, digests] : committed_) {
    if (made_again.contains(file)) continue;
    if (keeps_calibration_only && is_outdated(file, keeps_measurements)) continue;
    for (const std::string& digest : digests) {
      lines.push_back(JsonValue::object().set("commit", file).set("sha256", digest));
    }
  }
  for (const auto& [stage, seconds] : seconds_) lines.push_back(stage_line(stage, seconds, peak_memory_bytes_));
  journal_.replace(lines);
  for (const fs::path& file : later_journals(root_)) fs::remove(file);
  refresh();
}

JsonValue WorkFolder::run_line(const Fingerprint& fingerprint) const {
  JsonValue line = JsonValue::object();
  line.set("run", fingerprint.to_json()).set("id", run_id_);
  line.set("size",
           JsonValue::object().set("blocks", size_.num_blocks).set("layers", size_.num_layers));
  return line;
}

// The first journal goes first: without it nothing else in the folder counts. Tokens stay: they
// carry their own digests.
void WorkFolder::discard() {
  fs::remove(root_ / kFirstJournal);
  for (const fs::path& file : later_journals(root_)) fs::remove(file);
  for (const char* name : {"job.yaml", "report.json", "report.html", "quant_log.csv", "calibration",
                           "allocation", "solved", "evaluation"}) {
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
  finished_commits_.reset();
}

std::set<std::string> WorkFolder::digests_of(const std::string& file) const {
  const auto found = committed_.find(file);
  return found == committed_.end() ? std::set<std::string>() : found->second;
}

bool WorkFolder::is_intact(const std::string& file) const {
  const auto found = committed_.find(file);
  if (found == committed_.end()) return false;
  try {
    return found->second.contains(store::require_sealed(path(file)));
  } catch (const InputError&) {
    return false;
  }
}

void WorkFolder::set_aside(const std::string& file) {
  const bool is_there = fs::exists(path(file));
  if (is_there) fs::rename(path(file), path(file + ".bad"));
  if (is_there) {
    log_.warning(
        fmt::format("{} is not what was committed; it is set aside as {}.bad and made again",
                    path(file).string(), path(file).filename().string()));
  } else if (!is_hidden_file(file)) {
    log_.warning(fmt::format("{} is gone; it is made again", path(file).string()));
  }
}

bool WorkFolder::is_committed(const std::string& file) {
  const auto found = committed_.find(file);
  if (found == committed_.end()) return false;
  if (verified_.contains(file)) return true;
  if (is_intact(file)) {
    verified_.insert(file);
    return true;
  }
  set_aside(file);
  committed_.erase(found);
  return false;
}

void WorkFolder::verify(cluster::Communicator& comm) {
  std::string misfits;  // of this rank's share, separated by newlines
  std::size_t index = 0;
  for (const auto& [file, digests] : committed_) {
    if (index++ % comm.size() != comm.rank() || verified_.contains(file)) continue;
    if (is_intact(file)) continue;
    set_aside(file);
    misfits += file + '\n';
  }
  for (const std::string& of_rank : comm.all_gather(misfits)) {
    for (std::size_t begin = 0; begin < of_rank.size();) {
      const std::size_t end = of_rank.find('\n', begin);
      committed_.erase(of_rank.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  for (const auto& [file, digests] : committed_) verified_.insert(file);
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

void WorkFolder::drop(const std::string& file) {
  std::error_code ignored;
  fs::remove(path(file), ignored);
  fs::remove(path(file).parent_path(), ignored);  // where nothing else is in it
  verified_.erase(file);  // the journal has it still: it is committed should it be there again
}

void WorkFolder::record_stage(const std::string& stage, double seconds,
                              std::uint64_t peak_memory_bytes) {
  if (finished_manifest()) return;  // looking at a finished run again is no part of it
  const JsonValue line = stage_line(stage, seconds, peak_memory_bytes);
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

/// Of what the output was made from: activations come and go.
std::string WorkFolder::digest_of_commits() const {
  Digest digest;
  for (const auto& [file, digests] : committed_) {
    if (is_hidden_file(file)) continue;
    digest.add_text(file);
    for (const std::string& one : digests) digest.add_text(one);
  }
  return digest.hex();
}

void WorkFolder::record_finished(const std::string& manifest_digest) {
  const auto line =
      JsonValue::object().set("finished", manifest_digest).set("commits", digest_of_commits());
  journal_.append(line);
  take(line);
}

std::optional<std::string> WorkFolder::finished_manifest() const {
  if (!finished_ || finished_commits_ != digest_of_commits()) return std::nullopt;
  return finished_;
}

}  // namespace tessera::jobs
