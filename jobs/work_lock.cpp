#include "jobs/work_lock.hpp"

#include <chrono>
#include <ctime>
#include <thread>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

enum class Outcome { taken, held_by_another, not_supported };

Descriptor open_lock(const fs::path& file) {
  return {file, O_RDWR | O_CREAT};
}

Outcome try_lock(int fd, int kind) {
  if (::flock(fd, kind | LOCK_NB) == 0) return Outcome::taken;
  return errno == EWOULDBLOCK ? Outcome::held_by_another : Outcome::not_supported;
}

/// Ranks of an attempt that just ended may take a moment to be killed.
Outcome lock_with_patience(int fd, int kind) {
  constexpr int kTries = 15;
  Outcome outcome = try_lock(fd, kind);
  for (int i = 0; i < kTries && outcome == Outcome::held_by_another; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    outcome = try_lock(fd, kind);
  }
  return outcome;
}

std::string describe_this_process(std::size_t num_ranks) {
  return fmt::format("process {} on {}, {} rank{}, since {:%Y-%m-%d %H:%M:%S}", ::getpid(),
                     cluster::host_name(), num_ranks, num_ranks == 1 ? "" : "s",
                     fmt::localtime(std::time(nullptr)));
}

void write_holder(int fd, const std::string& text) {
  // Only people read it: nothing depends on whether it could be written.
  if (::ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const auto written = ::pwrite(fd, text.data(), text.size(), 0);
}

}  // namespace

void WorkLock::take_as_first(const fs::path& work_dir, std::size_t num_ranks) {
  fs::create_directories(work_dir);
  run_ = open_lock(work_dir / "lock");
  const Outcome outcome = lock_with_patience(run_.get(), LOCK_EX);
  if (outcome == Outcome::not_supported) {
    warning_ = fmt::format(
        "{} cannot be locked (the file system has no locks). Start no second "
        "run in it.",
        work_dir.string());
    return;
  }
  if (outcome == Outcome::held_by_another) {
    throw InputError(fmt::format(
        "{} is in use ({}). Wait for that run to end, stop it, or name another runtime.work_dir.",
        work_dir.string(), read_text_file(work_dir / "lock")));
  }
  const Descriptor ranks = open_lock(work_dir / "lock.ranks");
  const bool has_orphans = lock_with_patience(ranks.get(), LOCK_EX) == Outcome::held_by_another;
  if (has_orphans) {
    throw InputError(fmt::format(
        "{} is still in use by ranks of an earlier attempt whose first rank is gone. End them "
        "(process numbers stand in {}), then try again.",
        work_dir.string(), (work_dir / "ranks").string()));
  }
  write_holder(run_.get(), describe_this_process(num_ranks));
}

WorkLock::WorkLock(cluster::Communicator& comm, const fs::path& work_dir) {
  cluster::on_first_rank(comm, [&] { take_as_first(work_dir, comm.size()); });
  cluster::agree_on(comm, [&] {
    ranks_ = open_lock(work_dir / "lock.ranks");
    try_lock(ranks_.get(), LOCK_SH);
  });
}

std::string holder_of(const fs::path& work_dir) {
  if (!fs::exists(work_dir / "lock")) return "";
  const Descriptor lock(work_dir / "lock", O_RDONLY);
  const bool is_held = try_lock(lock.get(), LOCK_SH) == Outcome::held_by_another;
  return is_held ? read_text_file(work_dir / "lock") : "";
}

}  // namespace tessera::jobs
