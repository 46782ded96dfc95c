#pragma once
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>

#include "core/log.hpp"

namespace tessera::jobs {

/// Writes every event of a run as one line of JSON, appended and flushed at once, for people with
/// `tail -f` and for programs that watch a run:
///
///     {"time":"2026-01-31T12:00:00.250Z","type":"progress","stage":"solve","done":3,"total":210,...}
///
/// Types are "start" (the first line of each attempt), "info", "warning", "detail", "progress", and
/// last "error" (with its text) or "end" (with the exit code). A log that cannot be written (disk
/// full) never stops a run.
class JsonlLog final : public Log {
 public:
  /// Appends to @p file, whose folder is made, once @p sign exists: a run's journal. What happens
  /// before is kept until then, so that a job that is refused leaves no files behind.
  JsonlLog(std::filesystem::path file, std::filesystem::path sign);

  void info(const std::string& text) override { write_text("info", text); }
  void warning(const std::string& text) override { write_text("warning", text); }
  void detail(const std::string& text) override { write_text("detail", text); }
  void progress(const Progress& progress) override;
  void error(const std::string& text) { write_text("error", text); }
  void end(int exit_code);

 private:
  void write_text(const char* type, const std::string& text);
  void write_line(const std::string& line);

  std::mutex mutex_;
  std::filesystem::path file_, sign_;
  std::string kept_;  // lines not yet written
  std::ofstream out_;
};

/// Says everything twice.
class TeeLog final : public Log {
 public:
  TeeLog(Log& first, Log& second) : first_(first), second_(second) {}
  void info(const std::string& text) override;
  void warning(const std::string& text) override;
  void detail(const std::string& text) override;
  void progress(const Progress& progress) override;

 private:
  Log& first_;
  Log& second_;
};

}  // namespace tessera::jobs
