#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "jobs/fingerprint.hpp"

namespace tessera::jobs {

/// How much a whole run commits; for saying how far one got.
struct RunSize {
  std::size_t num_blocks = 0;  ///< to calibrate
  std::size_t num_layers = 0;  ///< to solve
};

// The lines of a journal.
JsonValue run_line(const Fingerprint& fingerprint, const std::string& id, const RunSize& size);
JsonValue stage_line(const std::string& stage, double seconds, std::uint64_t peak_memory_bytes);
JsonValue commit_line(const std::string& file, const std::string& digest);
JsonValue finished_line(const std::string& manifest_digest, const std::string& commits);

/// What the journals of a run say: whose it is, which files are committed, how long stages took,
/// what was published. No file is looked at here. Lines are taken in any order, except that the one
/// that starts a run comes before all of its others:
///
///     {"run": {...}, "id": I, "size": {...}}
///     {"stage": S, "seconds": T, "peak_memory_bytes": B}
///     {"finished": D, "commits": E}
///     {"commit": FILE, "sha256": D}
class RunRecord {
 public:
  /// Throws InputError for what is JSON, but no line of a journal.
  void take(const JsonValue& line);
  void forget() { *this = {}; }

  bool holds_run() const { return run_.has_value(); }
  const std::optional<Fingerprint>& fingerprint() const { return run_; }
  const std::string& run_id() const { return run_id_; }
  const RunSize& size() const { return size_; }

  /// By file, the digests of all its commits; the file counts when it has one of them.
  const std::map<std::string, std::set<std::string>>& committed() const { return committed_; }
  void erase_commit(const std::string& file) { committed_.erase(file); }
  std::vector<std::string> committed_below(const std::string& prefix) const;
  std::size_t num_calibrated() const;  ///< blocks
  std::size_t num_solved() const;      ///< layers
  /// "calibrated 12 of 30 blocks, solved 4 of 210 layers", or "finished"
  std::string how_far() const;

  double seconds_of(const std::string& stage) const;  ///< over all attempts
  std::uint64_t peak_memory_bytes() const { return peak_memory_bytes_; }

  /// Of what the output was made from: activations come and go.
  std::string digest_of_commits() const;
  /// The digest of the published manifest; nothing when something was made again since.
  std::optional<std::string> finished_manifest() const;

  /// The lines of a journal that goes on with this run under another fingerprint, without the
  /// commits of @p made_again. Files' identity stays that of the run they were made in.
  std::vector<JsonValue> lines_without(const std::set<std::string>& made_again,
                                       const Fingerprint& fingerprint) const;

 private:
  std::optional<Fingerprint> run_;
  std::string run_id_;
  RunSize size_;
  std::map<std::string, std::set<std::string>> committed_;
  std::map<std::string, double> seconds_;
  std::uint64_t peak_memory_bytes_ = 0;
  std::optional<std::string> finished_, finished_commits_;
};

}  // namespace tessera::jobs
