#include "cli/status_text.hpp"

#include <fmt/format.h>

#include "core/human_text.hpp"

namespace tessera::cli {
namespace {

using jobs::RunState;
using jobs::RunStatus;

std::string stage_text(const RunStatus& status) {
  const jobs::StageEvents& stage = *status.stage;
  std::string text = fmt::format("{} {}/{} {}", stage.last.stage, stage.last.done, stage.last.total,
                                 stage.last.unit);
  if (const auto rate = stage.rate()) text += "  " + rate_text(*rate);
  if (const auto left = stage.remaining(); left && stage.last.done < stage.last.total) {
    text += "  ETA " + duration_text(*left);
  }
  return text;
}

/// The state, and what to do about it.
std::string state_text(const RunStatus& status) {
  switch (status.state) {
    case RunState::running:
      return status.held_by.empty() ? "running (nobody holds a lock, but ranks give signs of life)"
                                    : fmt::format("running ({})", status.held_by);
    case RunState::resumable:
      return "not running: \"tessera run\" with --resume goes on";
    case RunState::finished:
      return "finished";
    case RunState::nothing:
      return "nothing there: no run was begun in this folder";
  }
  return "";
}

void add_fact(std::string& page, const char* name, const std::string& value) {
  if (!value.empty()) page += fmt::format("{:<10}{}\n", name, value);
}

std::string ranks_text(const RunStatus& status) {
  std::size_t width = 4;
  for (const auto& rank : status.ranks) width = std::max(width, rank.host.size());
  std::string text =
      fmt::format("\n  rank  {:<{}}  process  sign of life  solved\n", "host", width);
  for (const auto& rank : status.ranks) {
    text += fmt::format("  {:>4}  {:<{}}  {:>7}  {:>8} ago  {:>6}\n", rank.rank, rank.host, width,
                        rank.process_id, duration_text(rank.sign_age_seconds), rank.num_solved);
  }
  return text;
}

}  // namespace

std::string status_text(const RunStatus& status) {
  std::string page;
  add_fact(page, "work", status.work_dir.string());
  add_fact(page, "state", state_text(status));
  if (status.state == RunState::nothing) return page;
  if (status.state != RunState::finished) {
    add_fact(page, "committed", status.progress);
    if (status.stage) {
      const std::string age = duration_text(*status.progress_age_seconds);
      add_fact(page, "stage", stage_text(status));
      add_fact(page, "last", fmt::format("{} ago  {}", age, status.stage->last.detail));
    }
  }
  add_fact(page, "attempts", std::to_string(status.num_attempts));
  if (!status.ranks.empty() && status.state != RunState::finished) page += ranks_text(status);
  if (!status.warnings.empty() || !status.error.empty()) page += "\n";
  for (const std::string& text : status.warnings) page += "warning: " + text + "\n";
  if (!status.error.empty()) page += "the last attempt ended: " + status.error + "\n";
  return page;
}

std::string status_line(const RunStatus& status) {
  std::string line = name_of(status.state);
  if (!status.progress.empty() && status.state != RunState::finished)
    line += "  " + status.progress;
  if (status.stage && status.state == RunState::running) line += "  " + stage_text(status);
  if (!status.error.empty()) line += "  " + status.error;
  return line;
}

}  // namespace tessera::cli
