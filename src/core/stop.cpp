#include "core/stop.hpp"

#include <csignal>

#include <fmt/core.h>

namespace tessera {
namespace {

std::string name_of(int signal) {
  if (signal == SIGTERM) return "SIGTERM";
  if (signal == SIGINT) return "SIGINT";
  if (signal == SIGUSR1) return "SIGUSR1";
  return fmt::format("signal {}", signal);
}

}  // namespace

void StopFlag::request(const std::string& why, int exit_code) {
  const std::lock_guard lock(mutex_);
  if (is_requested_) return;
  why_ = why;
  exit_code_ = exit_code;
  is_requested_ = true;
}

std::string StopFlag::why() const {
  const std::lock_guard lock(mutex_);
  if (is_requested_) return why_;
  return name_of(signal_) + " arrived";
}

int StopFlag::exit_code() const {
  const std::lock_guard lock(mutex_);
  return exit_code_;
}

void StopFlag::throw_interrupted() const {
  throw Interrupted(
      why() + " (what was committed is kept). Go on with the same command and --resume.",
      exit_code());
}

}  // namespace tessera
