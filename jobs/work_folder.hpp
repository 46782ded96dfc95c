#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "cluster/communicator.hpp"
#include "core/log.hpp"
#include "jobs/fingerprint.hpp"
#include "jobs/journal.hpp"
#include "jobs/run_record.hpp"
#include "store/archive.hpp"

namespace tessera::jobs {

/// What to do with a run that the work folder already holds.
enum class ExistingRun {
  refuse,   ///< say how far it got, and stop
  resume,   ///< go on where it stands; start when there is none
  discard,  ///< throw it away
  redo,     ///< go on, with other settings for some layers (quantize.overrides), solved again
};

/// The folder in which a run keeps what it needs to resume. Progress is a set of committed units:
/// files that were written whole, renamed, and then journalled with their digest; never a maximum,
/// never what a folder happens to hold.
///
/// Each rank writes a journal of its own (a shared file would need locks on every file system) and
/// reads all of them. Their lines have no order among each other and need none: a file counts as
/// committed when some line states the digest it has now.
///
///     journal.jsonl             rank 0: whose run this is, stages, what was published, commits
///     journal-rank-00003.jsonl  commits
///
/// What the lines say is a RunRecord; this class is about the files.
class WorkFolder {
 public:
  /// Reads the journals; changes nothing on the disk. Commits go to @p rank's journal.
  WorkFolder(std::filesystem::path root, Log& log, std::size_t rank = 0);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path path(const std::string& file) const { return root_ / file; }

  const RunRecord& record() const { return record_; }
  bool holds_run() const { return record_.holds_run(); }
  /// Throws InputError, saying how far the run got, when there is one and @p existing is refuse.
  void require_usable(ExistingRun existing) const;
  /// "calibrated 12 of 30 blocks, solved 4 of 210 layers"
  std::string how_far() const { return record_.how_far(); }
  const RunSize& size() const { return record_.size(); }
  std::size_t num_calibrated() const { return record_.num_calibrated(); }
  std::size_t num_solved() const { return record_.num_solved(); }

  /// Of the run that is here; nothing when there is none.
  const std::optional<Fingerprint>& fingerprint() const { return record_.fingerprint(); }

  /// Starts a run of @p fingerprint or goes on with the one that is there. Throws InputError naming
  /// every key that differs when that one is of another job. Called on rank 0; others refresh().
  /// @param redone with ExistingRun::redo: the files of the layers that no longer count; what else
  /// may differ and is made again, redo.hpp says.
  void begin(const Fingerprint& fingerprint, const RunSize& size, ExistingRun existing,
             const std::set<std::string>& redone = {});

  /// Reads what the journals of all ranks say by now.
  void refresh();

  /// Compares every committed file with its digest, each rank its share, and tells the others:
  /// afterwards all ranks agree on what is committed, and no file is read for that again. Files
  /// that do not fit are set aside as FILE.bad and reported. Collective.
  void verify(cluster::Communicator& comm);

  /// True when some journal has @p file with the digest that the file has. A file that has another
  /// is set aside as FILE.bad, reported, and no longer committed: it will be made again.
  bool is_committed(const std::string& file);
  /// The same, for folders that are only looked at: nothing is set aside, nothing remembered.
  bool is_intact(const std::string& file) const;
  /// The digests of every commit of @p file; empty when it is not committed.
  std::set<std::string> digests_of(const std::string& file) const;
  /// Every committed file below @p prefix, sorted.
  std::vector<std::string> committed_below(const std::string& prefix) const {
    return record_.committed_below(prefix);
  }

  /// Stores @p object as @p file, whole, and journals it.
  template <class T>
  void commit(const std::string& file, const std::string& kind, const T& object) {
    std::filesystem::create_directories(path(file).parent_path());
    journal_commit(file, store::save(path(file), identity(kind, file), object));
  }
  /// @pre is_committed(file)
  template <class T>
  void load(const std::string& file, const std::string& kind, T& object) const {
    store::load(path(file), identity(kind, file), object);
  }
  /// Removes a file that nobody needs any more; not an error when it is gone.
  void drop(const std::string& file);

  /// Wall time of a stage that ended, and the largest resident set so far.
  void record_stage(const std::string& stage, double seconds, std::uint64_t peak_memory_bytes);
  double seconds_of(const std::string& stage) const { return record_.seconds_of(stage); }
  std::uint64_t peak_memory_bytes() const { return record_.peak_memory_bytes(); }

  /// Says that the output with a manifest of this digest was published from what is committed now.
  void record_finished(const std::string& manifest_digest);
  /// Nothing when something was made again since.
  std::optional<std::string> finished_manifest() const { return record_.finished_manifest(); }

  const std::string& run_id() const { return record_.run_id(); }

 private:
  store::Identity identity(const std::string& kind, const std::string& file) const;
  void journal_commit(const std::string& file, const std::string& digest);
  void read_journals();
  void append(const JsonValue& line);
  void discard();
  void start(const Fingerprint& fingerprint, const RunSize& size);
  void redo(const Fingerprint& fingerprint, const std::set<std::string>& redone);
  void forget_run();
  void set_aside(const std::string& file);

  std::filesystem::path root_;
  Log& log_;
  Journal journal_;
  RunRecord record_;
  std::set<std::string> verified_;  // files whose digest was compared in this attempt
};

}  // namespace tessera::jobs
