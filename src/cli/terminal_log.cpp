#include "cli/terminal_log.hpp"

#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/human_text.hpp"

namespace tessera::cli {
namespace {

constexpr std::size_t kDefaultColumns = 80;

std::size_t columns_of(std::FILE* out) {
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kDefaultColumns;
}

std::string finished_text(const Progress& p, const StageClock& clock) {
  std::string text =
      fmt::format("{:<10} {} {} in {}", p.stage, p.total, p.unit, duration_text(clock.elapsed()));
  if (const auto rate = clock.rate()) text += fmt::format(" ({})", rate_text(*rate));
  return text;
}

}  // namespace

bool stderr_is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

std::string progress_text(const Progress& p, const StageClock& clock) {
  std::string text = fmt::format("{:<10} {}/{} {}", p.stage, p.done, p.total, p.unit);
  if (const auto rate = clock.rate()) text += "  " + rate_text(*rate);
  if (const auto left = clock.remaining()) text += "  ETA " + duration_text(*left);
  if (!p.detail.empty()) text += "  " + p.detail;
  return text;
}

TerminalLog::TerminalLog(std::FILE* out, Options options) : out_(out), options_(options) {}

TerminalLog::~TerminalLog() {
  erase();
}

void TerminalLog::info(const std::string& text) {
  const std::scoped_lock lock(mutex_);
  print_line(text);
}

void TerminalLog::warning(const std::string& text) {
  const std::scoped_lock lock(mutex_);
  print_line("warning: " + text);
}

void TerminalLog::detail(const std::string& text) {
  if (!options_.verbose) return;
  const std::scoped_lock lock(mutex_);
  print_line(text);
}

void TerminalLog::progress(const Progress& p) {
  const std::scoped_lock lock(mutex_);
  using Seconds = std::chrono::duration<double>;
  const double now = Seconds(std::chrono::steady_clock::now() - start_).count();
  clock_.update(p, now);
  const bool is_new_stage = p.stage != stage_;
  stage_ = p.stage;

  if (p.total > 0 && p.done >= p.total) {
    last_line_.clear();
    erase();
    print_line(finished_text(p, clock_));
    last_shown_ = now;
    return;
  }
  if (options_.is_terminal) {
    last_line_ = progress_text(p, clock_);
    if (!is_new_stage && now - last_shown_ < kDrawSeconds) return;
    draw(last_line_);
  } else {
    if (!options_.verbose && !is_new_stage && now - last_shown_ < kLineSeconds) return;
    print_line(progress_text(p, clock_));
  }
  last_shown_ = now;
}

void TerminalLog::print_line(const std::string& line) {
  erase();
  fmt::print(out_, "{}\n", line);
  if (options_.is_terminal && !last_line_.empty()) draw(last_line_);
  std::fflush(out_);
}

void TerminalLog::draw(const std::string& line) {
  const std::size_t columns = columns_of(out_);
  fmt::print(out_, "\r\x1b[K{}", std::string_view(line).substr(0, columns - 1));
  std::fflush(out_);
  is_drawn_ = true;
}

void TerminalLog::erase() {
  if (!is_drawn_) return;
  fmt::print(out_, "\r\x1b[K");
  std::fflush(out_);
  is_drawn_ = false;
}

}  // namespace tessera::cli
