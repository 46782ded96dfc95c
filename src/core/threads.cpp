#include "core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <omp.h>
#include <sched.h>

#include "core/error.hpp"

namespace tessera {

/// One generation of work at a time: workers sleep until the generation changes, then draw task
/// numbers.
struct Threads::Team {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable finished;
  std::size_t generation = 0;
  std::size_t num_busy = 0;
  bool stop = false;
  bool running = false;

  std::function<void()> poll;  // for the calling thread only
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t num_tasks = 0;
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;

  void draw_tasks(bool is_caller) {
    try {
      for (std::size_t i = next++; i < num_tasks; i = next++) {
        if (is_caller && poll) poll();
        (*task)(i);
      }
    } catch (...) {
      next = num_tasks;  // the others stop after the task they are in
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  void work() {
    omp_set_num_threads(1);  // a library's own threading is off inside a task
    std::size_t seen = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stop || generation != seen; });
        if (stop) return;
        seen = generation;
      }
      draw_tasks(false);
      const std::lock_guard lock(mutex);
      if (--num_busy == 0) finished.notify_one();
    }
  }
};

std::size_t Threads::cores_available() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&mask)));
}

Threads::Threads(std::size_t count) : team_(std::make_unique<Team>()) {
  if (count == 0) count = cores_available();
  omp_set_num_threads(1);
  for (std::size_t i = 1; i < count; ++i) {
    team_->workers.emplace_back([team = team_.get()] { team->work(); });
  }
}

Threads::~Threads() {
  {
    const std::lock_guard lock(team_->mutex);
    team_->stop = true;
  }
  team_->wake.notify_all();
  for (auto& worker : team_->workers) worker.join();
}

std::size_t Threads::count() const {
  return team_->workers.size() + 1;
}

void Threads::poll_with(std::function<void()> poll) {
  team_->poll = std::move(poll);
}

void Threads::for_each(std::size_t num_tasks, const std::function<void(std::size_t)>& task) {
  if (num_tasks == 0) return;
  Team& team = *team_;
  require(!team.running, "Threads::for_each called from one of its own tasks");
  {
    const std::lock_guard lock(team.mutex);
    team.running = true;
    team.task = &task;
    team.num_tasks = num_tasks;
    team.next = 0;
    team.failure = nullptr;
    team.num_busy = team.workers.size();
    ++team.generation;
  }
  team.wake.notify_all();
  team.draw_tasks(true);
  std::unique_lock lock(team.mutex);
  team.finished.wait(lock, [&] { return team.num_busy == 0; });
  team.running = false;
  if (team.failure) std::rethrow_exception(team.failure);
}

}  // namespace tessera
