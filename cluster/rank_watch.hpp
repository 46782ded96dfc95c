#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/stop.hpp"

namespace tessera::cluster {

/// How often a rank gives a sign of life, and how long another may give none.
struct WatchTimes {
  std::chrono::milliseconds beat{1000};
  std::chrono::milliseconds hung_after{120'000};
};

/// What a rank last said of itself: WATCH_FOLDER/rank-00003.
struct RankSign {
  std::size_t rank = 0;
  std::string host;
  long process_id = 0;
  std::uint64_t beats = 0;  ///< since it started
};
std::optional<RankSign> read_rank_sign(const std::filesystem::path& folder, std::size_t rank);

/// A thread beside each rank's work that needs neither MPI nor the rank's attention, only the
/// folder the ranks share. It
///   - rewrites this rank's sign of life;
///   - looks at the next rank's, and when that has not changed for hung_after, names it and asks
///     all ranks to stop (a rank that is stopped, swapped out or on a lost node answers nothing,
///     and a collective would wait for it for ever);
///   - passes on a wish to stop: a rank whose flag is set writes the file `stop`, and every rank
///     that sees it sets its own.
/// A file that cannot be written is tried again at the next beat; the watch never ends a run
/// because of its own files.
class RankWatch {
 public:
  /// @p on_hung is called on the watch's thread, once, with the rank that does not answer.
  RankWatch(std::filesystem::path folder, std::size_t rank, std::size_t num_ranks, StopFlag& stop,
            WatchTimes times, std::function<void(const RankSign&)> on_hung);
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;

  /// Asks all ranks to stop, now and not at the next beat.
  void tell(const std::string& why, int exit_code);

  /// Waits at most @p seconds until every rank has come here, by files alone: what remains when the
  /// ranks were interrupted in the middle of talking. True when all came.
  bool leave_together(double seconds);

 private:
  void work();
  void beat();
  void look_for_stop();
  void look_at_neighbour();

  std::filesystem::path folder_;
  std::size_t rank_, num_ranks_;
  StopFlag& stop_;
  WatchTimes times_;
  std::function<void(const RankSign&)> on_hung_;

  std::uint64_t beats_ = 0;
  std::optional<RankSign> neighbour_;
  std::chrono::steady_clock::time_point neighbour_changed_ = std::chrono::steady_clock::now();
  bool has_told_ = false, has_hung_ = false;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace tessera::cluster
