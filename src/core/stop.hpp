#pragma once
#include <atomic>
#include <mutex>
#include <string>

#include "core/error.hpp"

namespace tessera {

/// Work was dropped because the run is to end. What was committed stays; exit_code is what the
/// program leaves with: 75 (go on with --resume) unless another rank failed.
class Interrupted : public Error {
 public:
  explicit Interrupted(const std::string& why, int exit_code = kResumable)
      : Error(why), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

  static constexpr int kResumable = 75;

 private:
  int exit_code_;
};

/// One wish per run: to end soon. Set by signal handlers, by the walltime, by other ranks; looked
/// at between tiles of work and while waiting for other ranks. Once set it stays set.
class StopFlag {
 public:
  void request_by_signal(int signal) noexcept { signal_.store(signal); }
  /// The first reason counts.
  void request(const std::string& why, int exit_code = Interrupted::kResumable);

  bool is_set() const noexcept { return signal_.load() != 0 || is_requested_.load(); }
  /// Why, in half a sentence: "SIGUSR1 arrived". @pre is_set()
  std::string why() const;
  int exit_code() const;
  /// Throws Interrupted when set.
  void check() const {
    if (is_set()) throw_interrupted();
  }

 private:
  [[noreturn]] void throw_interrupted() const;

  std::atomic<int> signal_{0};
  std::atomic<bool> is_requested_{false};
  mutable std::mutex mutex_;
  std::string why_;
  int exit_code_ = Interrupted::kResumable;
};

}  // namespace tessera
