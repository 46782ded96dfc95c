#pragma once
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>

#include "cli/stage_clock.hpp"
#include "core/log.hpp"

namespace tessera::cli {

/// The run as a person watches it, on stderr. A terminal gets one live line that shows stage, done
/// / total, rate and ETA; a file or pipe gets whole lines, no closer than kLineSeconds (every unit
/// with -v). The last unit of a stage always gets a line that stays.
class TerminalLog final : public Log {
 public:
  struct Options {
    bool verbose = false;      ///< print details, and every unit where there is no terminal
    bool is_terminal = false;  ///< draw a live line
  };
  /// @param out stderr, or a file in tests
  TerminalLog(std::FILE* out, Options options);
  ~TerminalLog() override;
  TerminalLog(const TerminalLog&) = delete;
  TerminalLog& operator=(const TerminalLog&) = delete;

  void info(const std::string& text) override;
  void warning(const std::string& text) override;
  void detail(const std::string& text) override;
  void progress(const Progress& progress) override;

  static constexpr double kLineSeconds = 5;
  static constexpr double kDrawSeconds = 0.1;

 private:
  void print_line(const std::string& line);
  void draw(const std::string& line);
  void erase();

  std::mutex mutex_;
  std::FILE* out_;
  Options options_;
  StageClock clock_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string stage_;         // of the last event
  std::string last_line_;     // the live line, to be drawn again after other text
  double last_shown_ = -1e9;  // seconds since start_
  bool is_drawn_ = false;
};

/// What is left of a progress event for people: "solve  12/210 layers  5.1/s  ETA 1m20s  block 0
/// mlp.up_proj".
std::string progress_text(const Progress& progress, const StageClock& clock);

/// A TerminalLog on stderr; a live line only when that is a terminal that can erase.
bool stderr_is_terminal();

}  // namespace tessera::cli
