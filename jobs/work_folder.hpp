#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/log.hpp"
#include "jobs/fingerprint.hpp"
#include "jobs/journal.hpp"
#include "store/archive.hpp"

namespace tessera::jobs {

/// What to do with a run that the work folder already holds.
enum class ExistingRun {
  refuse,   ///< say how far it got, and stop
  resume,   ///< go on where it stands; start when there is none
  discard,  ///< throw it away
};

/// How much a whole run commits; for saying how far one got.
struct RunSize {
  std::size_t num_blocks = 0;  ///< to calibrate
  std::size_t num_layers = 0;  ///< to solve
};

/// The folder in which a run keeps what it needs to resume. Progress is a set of committed units:
/// files that were written whole, renamed, and then journalled with their digest; never a maximum,
/// never what a folder happens to hold.
///
///     journal.jsonl   {"run": {...}, "size": {...}}  {"commit": FILE, "sha256": D}  {"stage": S,
///     "seconds": T}  {"finished": D}
class WorkFolder {
 public:
  /// Reads the journal; changes nothing on the disk.
  WorkFolder(std::filesystem::path root, Log& log);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path path(const std::string& file) const { return root_ / file; }

  bool holds_run() const { return run_.has_value(); }
  /// Throws InputError, saying how far the run got, when there is one and @p existing is refuse.
  void require_usable(ExistingRun existing) const;
  /// "calibrated 12 of 30 blocks, solved 4 of 210 layers"
  std::string how_far() const;

  /// Starts a run of @p fingerprint or goes on with the one that is there. Throws InputError naming
  /// every key that differs when that one is of another job.
  void begin(const Fingerprint& fingerprint, const RunSize& size, ExistingRun existing);

  /// True when @p file is journalled and still has the digest it was committed with. A file that
  /// has not is set aside as FILE.bad, reported, and no longer committed: it will be made again.
  bool is_committed(const std::string& file);
  std::optional<std::string> digest_of(const std::string& file) const;

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

  /// Wall time of a stage that ended, and the largest resident set so far.
  void record_stage(const std::string& stage, double seconds, std::uint64_t peak_memory_bytes);
  double seconds_of(const std::string& stage) const;  ///< over all attempts
  std::uint64_t peak_memory_bytes() const;            ///< over all attempts

  /// Says that the output with a manifest of this digest was published, and what was committed
  /// last.
  void record_finished(const std::string& manifest_digest);
  std::optional<std::string> finished_manifest() const { return finished_; }

 private:
  store::Identity identity(const std::string& kind, const std::string& file) const;
  void journal_commit(const std::string& file, const std::string& digest);
  void take(const JsonValue& line);
  void discard();
  void forget_run();
  std::size_t count_committed(const std::string& prefix) const;

  std::filesystem::path root_;
  Log& log_;
  Journal journal_;
  std::optional<Fingerprint> run_;
  std::string run_id_;
  RunSize size_;
  std::map<std::string, std::string> committed_;  // file -> digest
  std::set<std::string> verified_;                // files whose digest was compared in this attempt
  std::map<std::string, double> seconds_;
  std::uint64_t peak_memory_bytes_ = 0;
  std::optional<std::string> finished_;
};

}  // namespace tessera::jobs
