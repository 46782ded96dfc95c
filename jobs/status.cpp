#include "jobs/status.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <tuple>

#include <fmt/core.h>

#include "cluster/communicator.hpp"
#include "cluster/rank_watch.hpp"
#include "jobs/work_folder.hpp"
#include "jobs/work_lock.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// A rank that gave a sign of life this recently is taken to live where there is no lock to ask.
constexpr double kFreshSeconds = 10;

double age_seconds(fs::file_time_type then) {
  const std::chrono::duration<double> age = fs::file_time_type::clock::now() - then;
  return std::max(0.0, age.count());  // another machine's clock may be ahead
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// 3 of "rank-00003"; nothing of any other name.
std::optional<std::size_t> rank_of(const std::string& name) {
  constexpr std::string_view kPrefix = "rank-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::size_t rank = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, rank);
  return error == std::errc{} && stop == end ? std::optional(rank) : std::nullopt;
}

/// Every rank of the last attempt that gave a sign of life; files may come and go meanwhile.
std::vector<RankStatus> find_ranks(const fs::path& folder) {
  std::vector<RankStatus> ranks;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const auto rank = rank_of(entry.path().filename().string());
    const auto sign = rank ? cluster::read_rank_sign(folder, *rank) : std::nullopt;
    std::error_code gone;
    const auto time = fs::last_write_time(entry.path(), gone);
    if (sign && !gone) ranks.push_back({*rank, sign->host, sign->process_id, age_seconds(time), 0});
  }
  return ranks;
}

bool is_gone_from_this_host(const RankStatus& rank) {
  return rank.host == cluster::host_name() && !fs::exists(fmt::format("/proc/{}", rank.process_id));
}

/// Where no lock tells (some file systems have none, or one for each node), signs of life do.
bool gives_signs_of_life(const RunStatus& status) {
  return !status.exit_code && std::ranges::any_of(status.ranks, [](const RankStatus& rank) {
    return rank.sign_age_seconds < kFreshSeconds && !is_gone_from_this_host(rank);
  });
}

fs::path log_of(const fs::path& work_dir, std::size_t rank) {
  return work_dir / fmt::format("logs/rank-{:05}.jsonl", rank);
}

/// All ranks count the units of all; the one that spoke of the most knows most.
void add_stage(RunStatus& status, const AttemptEvents& rank) {
  if (!rank.stage) return;
  if (!status.stage || (rank.stage->last.stage == status.stage->last.stage &&
                        rank.stage->last.done > status.stage->last.done)) {
    status.stage = rank.stage;
  }
}

void add_events(RunStatus& status) {
  const AttemptEvents first = read_attempt(log_of(status.work_dir, 0));
  status.num_attempts = first.num_attempts;
  status.error = first.error;
  status.exit_code = first.exit_code;
  status.warnings = first.warnings;
  add_stage(status, first);
  for (RankStatus& rank : status.ranks) {
    const AttemptEvents events =
        rank.rank == 0 ? first : read_attempt(log_of(status.work_dir, rank.rank));
    rank.num_solved = events.num_solved;
    add_stage(status, events);
    if (rank.rank == 0) continue;
    for (const std::string& text : events.warnings) {
      if (std::ranges::count(first.warnings, text) > 0) continue;  // every rank says it
      status.warnings.push_back(fmt::format("rank {}: {}", rank.rank, text));
    }
  }
  const auto excess =
      status.warnings.size() - std::min(status.warnings.size(), RunStatus::kMaxWarnings);
  status.warnings.erase(status.warnings.begin(),
                        status.warnings.begin() + static_cast<std::ptrdiff_t>(excess));
  if (status.stage) {
    status.progress_age_seconds = std::max(0.0, now_seconds() - status.stage->last_time);
  }
  std::ranges::sort(status.ranks, {}, [](const RankStatus& rank) {
    return std::tuple(rank.num_solved, -rank.sign_age_seconds, rank.rank);
  });
}

}  // namespace

RunStatus read_status(const fs::path& work_dir) {
  SilentLog log;
  const WorkFolder work(work_dir, log);
  RunStatus status;
  status.work_dir = work_dir;
  status.held_by = holder_of(work_dir);
  status.ranks = find_ranks(work_dir / "ranks");
  add_events(status);
  if (work.holds_run()) {
    status.progress = work.how_far();
    status.num_blocks = work.size().num_blocks;
    status.num_calibrated = work.num_calibrated();
    status.num_layers = work.size().num_layers;
    status.num_solved = work.num_solved();
    status.state = work.finished_manifest() ? RunState::finished : RunState::resumable;
  }
  if (!status.held_by.empty() || gives_signs_of_life(status)) status.state = RunState::running;
  return status;
}

}  // namespace tessera::jobs
