#include "jobs/work_folder.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "jobs/plan.hpp"
#include "jobs/redo.hpp"
#include "store/sealed_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {

WorkFolder::WorkFolder(fs::path root, Log& log, std::size_t rank)
    : root_(std::move(root)), log_(log), journal_(journal_file(root_, rank)) {
  read_journals();
}

void WorkFolder::read_journals() {
  std::size_t num_damaged = 0;
  const auto read = [&](const Journal& journal) {
    num_damaged += journal.num_damaged_lines();
    for (const JsonValue& line : journal.lines()) {
      try {
        record_.take(line);
      } catch (const InputError&) {
        ++num_damaged;  // JSON, but not what this program writes
      }
    }
  };
  read(Journal(journal_file(root_, 0)));
  if (holds_run()) {
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

void WorkFolder::require_usable(ExistingRun existing) const {
  if (existing != ExistingRun::refuse || !holds_run()) return;
  throw InputError(fmt::format(
      "{} holds a run already ({}). Go on with it (--resume), throw it away (--fresh), or name "
      "another runtime.work_dir.",
      root_.string(), how_far()));
}

void WorkFolder::begin(const Fingerprint& fingerprint, const RunSize& size, ExistingRun existing,
                       const std::set<std::string>& redone) {
  require_usable(existing);
  if (existing == ExistingRun::discard) discard();
  fs::create_directories(root_);
  if (!holds_run()) return start(fingerprint, size);
  if (existing == ExistingRun::redo) return redo(fingerprint, redone);
  const auto differences = fingerprint.differences_from(*record_.fingerprint());
  if (differences.empty()) return;
  throw InputError(fmt::format(
      "{} holds a run of another job ({}): {}. Mend the job, throw the run away (--fresh), or "
      "name another runtime.work_dir.",
      root_.string(), how_far(), fmt::join(differences, "; ")));
}

void WorkFolder::start(const Fingerprint& fingerprint, const RunSize& size) {
  for (const fs::path& file : later_journals(root_)) fs::remove(file);  // of a run that is no more
  append(run_line(fingerprint, fingerprint.id(), size));
}

/// One new journal replaces all: it says what is kept, under the job that is wanted now.
void WorkFolder::redo(const Fingerprint& fingerprint, const std::set<std::string>& redone) {
  const auto made_again = commits_made_again(record_, fingerprint, redone, root_.string());
  journal_.replace(record_.lines_without(made_again, fingerprint));
  for (const fs::path& file : later_journals(root_)) fs::remove(file);
  refresh();
}

void WorkFolder::append(const JsonValue& line) {
  journal_.append(line);
  record_.take(line);
}

// The first journal goes first: without it nothing else in the folder counts. Tokens stay: they
// carry their own digests.
void WorkFolder::discard() {
  fs::remove(journal_file(root_, 0));
  for (const fs::path& file : later_journals(root_)) fs::remove(file);
  for (const char* name :
       {"job.yaml", "report.json", "report.html", "quant_log.csv", "calibration", "equalized",
        "allocation", "quarantine", "solved", "corrected", "assembled", "evaluation"}) {
    fs::remove_all(root_ / name);
  }
  journal_ = Journal(journal_.file());
  forget_run();
}

void WorkFolder::forget_run() {
  record_.forget();
  verified_.clear();
}

std::set<std::string> WorkFolder::digests_of(const std::string& file) const {
  const auto found = record_.committed().find(file);
  return found == record_.committed().end() ? std::set<std::string>() : found->second;
}

bool WorkFolder::is_intact(const std::string& file) const {
  if (!record_.committed().contains(file)) return false;
  try {
    return digests_of(file).contains(store::require_sealed(path(file)));
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
  if (!record_.committed().contains(file)) return false;
  if (verified_.contains(file)) return true;
  if (is_intact(file)) {
    verified_.insert(file);
    return true;
  }
  set_aside(file);
  record_.erase_commit(file);
  return false;
}

void WorkFolder::verify(cluster::Communicator& comm) {
  std::string misfits;  // of this rank's share, separated by newlines
  std::size_t index = 0;
  for (const auto& [file, digests] : record_.committed()) {
    if (index++ % comm.size() != comm.rank() || verified_.contains(file)) continue;
    if (is_intact(file)) continue;
    set_aside(file);
    misfits += file + '\n';
  }
  for (const std::string& of_rank : comm.all_gather(misfits)) {
    for (std::size_t begin = 0; begin < of_rank.size();) {
      const std::size_t end = of_rank.find('\n', begin);
      record_.erase_commit(of_rank.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  for (const auto& [file, digests] : record_.committed()) verified_.insert(file);
}

store::Identity WorkFolder::identity(const std::string& kind, const std::string& file) const {
  require(holds_run(), "work files belong to a run: begin() comes first");
  return {{"kind", kind}, {"unit", file}, {"run", run_id()}};
}

void WorkFolder::journal_commit(const std::string& file, const std::string& digest) {
  append(commit_line(file, digest));
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
  append(stage_line(stage, seconds, peak_memory_bytes));
}

void WorkFolder::record_finished(const std::string& manifest_digest) {
  append(finished_line(manifest_digest, record_.digest_of_commits()));
}

}  // namespace tessera::jobs
