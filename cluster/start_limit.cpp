#include "cluster/start_limit.hpp"

#include <fmt/core.h>

namespace tessera::cluster {

StartLimit::StartLimit(StopFlag& stop, std::chrono::milliseconds limit, std::string what)
    : thread_([this, &stop, limit, what = std::move(what)] {
        std::unique_lock lock(mutex_);
        if (wake_.wait_for(lock, limit, [this] { return has_started_; })) return;
        stop.request(
            fmt::format("{} s have not been enough for this: {} (a rank or a file system "
                        "hangs)",
                        std::chrono::duration<double>(limit).count(), what));
      }) {}

StartLimit::~StartLimit() {
  {
    const std::lock_guard lock(mutex_);
    has_started_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

}  // namespace tessera::cluster
