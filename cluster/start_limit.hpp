#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "core/stop.hpp"

namespace tessera::cluster {

/// Ends a run whose start does not come about: until ranks watch over each other (RankWatch), one
/// that hangs before the first collective call, say on a file system that does not answer, would
/// keep the others waiting for as long as the batch system lets them. Asks to stop when it still
/// lives after @p limit.
class StartLimit {
 public:
  /// @p what has to happen in that time, in words: "every rank opens the model"
  StartLimit(StopFlag& stop, std::chrono::milliseconds limit, std::string what);
  ~StartLimit();
  StartLimit(const StartLimit&) = delete;
  StartLimit& operator=(const StartLimit&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool has_started_ = false;
  std::thread thread_;
};

}  // namespace tessera::cluster
