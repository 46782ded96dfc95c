#include "cli/signals.hpp"

#include <sys/prctl.h>

#include <csignal>

namespace tessera::cli {
namespace {

StopFlag* stop_flag = nullptr;  // a handler has no other way to it

extern "C" void on_signal(int signal) {
  stop_flag->request_by_signal(signal);
}

}  // namespace

void stop_on_signals(StopFlag& stop) {
  stop_flag = &stop;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGUSR1, SIGTERM}) sigaction(signal, &action, nullptr);
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

void stop_without_launcher() {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
}

}  // namespace tessera::cli
