#include "cli/signals.hpp"

#include <csignal>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <thread>

#include <pthread.h>
#include <sys/prctl.h>

namespace tessera::cli {
namespace {

sigset_t signals_of_interest() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) sigaddset(&set, signal);
  return set;
}

/// Takes the signals as they come, for as long as the program lives.
[[noreturn]] void listen(StopFlag& stop) {
  const sigset_t set = signals_of_interest();
  bool was_interrupted = false;
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (signal == SIGINT && was_interrupted) std::_Exit(128 + SIGINT);
    was_interrupted = was_interrupted || signal == SIGINT;
    stop.request_by_signal(signal);
  }
}

}  // namespace

// A thread that waits for them, and no handler: oneDNN's kernels use the stack pointer as one more
// register, and what a handler leaves on the stack that it interrupts lands in their buffers.
void stop_on_signals(StopFlag& stop) {
  const sigset_t set = signals_of_interest();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // here, and in every thread made from now on
  std::thread(listen, std::ref(stop)).detach();
}

void stop_without_launcher() {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
}

}  // namespace tessera::cli
