#include "cluster/thread_communicator.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.hpp"

namespace tessera::cluster {
namespace {

/// What the ranks of a team share. Collectives are: write your own slot, meet, read, meet.
struct Team {
  Team(std::size_t num_ranks, const StopFlag& stop_flag)
      : stop(stop_flag), texts(num_ranks), sent(num_ranks) {}

  const StopFlag& stop;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t num_waiting = 0, generation = 0, num_leaving = 0;
  bool is_broken = false;  // a rank has thrown
  std::exception_ptr first_failure;
  std::vector<std::string> texts;
  std::vector<std::vector<std::span<const double>>> sent;
  std::atomic<std::uint64_t> next_ticket{0};

  void meet() {
    std::unique_lock lock(mutex);
    const std::size_t mine = generation;
    if (++num_waiting == texts.size()) {
      num_waiting = 0;
      ++generation;
      changed.notify_all();
      return;
    }
    while (generation == mine) {
      changed.wait_for(lock, std::chrono::milliseconds(5));
      if (generation != mine) return;
      stop.check();
      if (is_broken) throw Interrupted("another rank has failed");
    }
  }
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(Team& team, std::size_t rank) : team_(team), rank_(rank) {}

  std::size_t rank() const override { return rank_; }
  std::size_t size() const override { return team_.texts.size(); }
  void barrier() override { team_.meet(); }

  std::vector<std::string> all_gather(const std::string& mine) override {
    team_.texts[rank_] = mine;
    team_.meet();
    auto all = team_.texts;
    team_.meet();
    return all;
  }

  void exchange(const std::vector<std::span<const double>>& to,
                const std::vector<std::span<double>>& from) override {
    require(to.size() == size() && from.size() == size(), "one span a rank");
    team_.sent[rank_] = to;
    team_.meet();
    for (std::size_t r = 0; r < size(); ++r) {
      const auto arriving = team_.sent[r][rank_];
      require(arriving.size() == from[r].size(), "what is sent has a place where it arrives");
      std::ranges::copy(arriving, from[r].begin());
    }
    team_.meet();
  }

  void reset_tickets() override {
    team_.meet();
    team_.next_ticket = 0;
    team_.meet();
  }
  std::uint64_t draw_ticket() override { return team_.next_ticket++; }

  bool leave_together(double seconds) override {
    std::unique_lock lock(team_.mutex);
    ++team_.num_leaving;
    team_.changed.notify_all();
    return team_.changed.wait_for(lock, std::chrono::duration<double>(seconds),
                                  [&] { return team_.num_leaving == size(); });
  }

 private:
  Team& team_;
  std::size_t rank_;
};

}  // namespace

void run_as_threads(std::size_t num_ranks, const StopFlag& stop,
                    const std::function<void(Communicator&)>& body) {
  Team team(num_ranks, stop);
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&team, &body, r] {
      ThreadCommunicator comm(team, r);
      try {
        body(comm);
      } catch (...) {
        const std::lock_guard lock(team.mutex);
        if (!team.first_failure) team.first_failure = std::current_exception();
        team.is_broken = true;
        team.changed.notify_all();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (team.first_failure) std::rethrow_exception(team.first_failure);
}

}  // namespace tessera::cluster
