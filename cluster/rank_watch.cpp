#include "cluster/rank_watch.hpp"

#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/core.h>
#include <unistd.h>

#include "cluster/communicator.hpp"

namespace fs = std::filesystem;

namespace tessera::cluster {
namespace {

constexpr const char* kStopFile = "stop";

fs::path sign_file(const fs::path& folder, std::size_t rank) {
  return folder / fmt::format("rank-{:05}", rank);
}

/// Whole or not at all, and no error: a sign of life that is missed once is given again.
void write_small(const fs::path& file, const std::string& text) {
  const fs::path temporary = fmt::format("{}.{}", file.string(), ::getpid());
  {
    std::ofstream out(temporary, std::ios::trunc);
    out << text;
    if (!out.flush()) return;
  }
  std::error_code ignored;
  fs::rename(temporary, file, ignored);
}

}  // namespace

std::optional<RankSign> read_rank_sign(const fs::path& folder, std::size_t rank) {
  std::ifstream in(sign_file(folder, rank));
  RankSign sign;
  sign.rank = rank;
  if (in >> sign.host >> sign.process_id >> sign.beats) return sign;
  return std::nullopt;
}

RankWatch::RankWatch(fs::path folder, std::size_t rank, std::size_t num_ranks, StopFlag& stop,
                     WatchTimes times, std::function<void(const RankSign&)> on_hung)
    : folder_(std::move(folder)),
      rank_(rank),
      num_ranks_(num_ranks),
      stop_(stop),
      times_(times),
      on_hung_(std::move(on_hung)) {
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  thread_ = std::thread([this] { work(); });
}

RankWatch::~RankWatch() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void RankWatch::work() {
  // Signals are the main thread's.
  auto next_beat = std::chrono::steady_clock::now();
  const auto glance = std::min(times_.beat, std::chrono::milliseconds(100));
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    look_for_stop();
    if (std::chrono::steady_clock::now() >= next_beat) {
      beat();
      look_at_neighbour();
      next_beat += times_.beat;
    }
    wake_.wait_for(lock, glance, [&] { return is_ending_; });
  }
}

void RankWatch::beat() {
  write_small(sign_file(folder_, rank_),
              fmt::format("{} {} {}\n", host_name(), ::getpid(), ++beats_));
}

void RankWatch::look_for_stop() {
  const fs::path file = folder_ / kStopFile;
  if (stop_.is_set()) {
    if (!has_told_ && !fs::exists(file)) {
      write_small(file, fmt::format("{} {}", stop_.exit_code(), stop_.why()));
    }
    has_told_ = true;
    return;
  }
  std::ifstream in(file);
  int exit_code = 0;
  if (!(in >> exit_code)) return;
  std::ostringstream why;
  why << (in >> std::ws).rdbuf();
  stop_.request(why.str(), exit_code);
  has_told_ = true;
}

void RankWatch::look_at_neighbour() {
  if (num_ranks_ == 1 || has_hung_) return;
  const auto now = std::chrono::steady_clock::now();
  const auto sign = read_rank_sign(folder_, (rank_ + 1) % num_ranks_);
  if (sign && (!neighbour_ || sign->beats != neighbour_->beats)) {
    neighbour_ = sign;
    neighbour_changed_ = now;
  }
  if (now - neighbour_changed_ < times_.hung_after) return;
  has_hung_ = true;
  if (!neighbour_) {
    neighbour_.emplace();
    neighbour_->rank = (rank_ + 1) % num_ranks_;
    neighbour_->host = "an unknown node";
  }
  on_hung_(*neighbour_);
  stop_.request(
      fmt::format("rank {} on {} (process {}) has given no sign of life for {} s", neighbour_->rank,
                  neighbour_->host, neighbour_->process_id,
                  std::chrono::duration_cast<std::chrono::seconds>(times_.hung_after).count()));
}

void RankWatch::tell(const std::string& why, int exit_code) {
  stop_.request(why, exit_code);
  const std::lock_guard lock(mutex_);
  look_for_stop();
}

bool RankWatch::leave_together(double seconds) {
  const auto file = [&](std::size_t rank) { return folder_ / fmt::format("left-{:05}", rank); };
  write_small(file(rank_), "left\n");
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::size_t num_left = 0;  // ranks below it have left
  std::error_code ignored;
  while (std::chrono::steady_clock::now() < end) {
    while (num_left < num_ranks_ && fs::exists(file(num_left), ignored)) ++num_left;
    if (num_left == num_ranks_) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

}  // namespace tessera::cluster
