#pragma once
#include <filesystem>
#include <vector>

#include "core/json_value.hpp"

namespace tessera::jobs {

/// Append-only record of what a run has finished: one JSON object a line, and behind it the first 8
/// digits of its SHA-256. A line is on the disk
/// when append returns; a line that was cut short by a crash, or damaged, is left out when the
/// journal is read again.
class Journal {
 public:
  /// Reads what is there; a file that does not exist is an empty journal. Writes nothing.
  explicit Journal(std::filesystem::path file);

  const std::filesystem::path& file() const { return file_; }
  const std::vector<JsonValue>& lines() const { return lines_; }
  std::size_t num_damaged_lines() const { return num_damaged_; }

  /// Adds a line and flushes it to the disk. Before the first one, damaged lines are taken out of
  /// the file, lest the new one be glued to the rest of an old one.
  void append(const JsonValue& line);

  /// Puts these lines in the place of all there are, in one step.
  void replace(std::vector<JsonValue> lines);

 private:
  void rewrite();

  std::filesystem::path file_;
  std::vector<JsonValue> lines_;
  std::size_t num_damaged_ = 0;
  bool is_mended_ = false;
};

/// Where rank @p rank of a run in @p root writes its journal: journal.jsonl is the first one's,
/// without which the others count for nothing.
std::filesystem::path journal_file(const std::filesystem::path& root, std::size_t rank);

/// The other ranks' journals that are in @p root, of this attempt and of earlier ones on more
/// ranks.
std::vector<std::filesystem::path> later_journals(const std::filesystem::path& root);

}  // namespace tessera::jobs
