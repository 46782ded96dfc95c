#include <chrono>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "jobs/preflight/checks.hpp"
#include "jobs/preflight/probe_file.hpp"
#include "jobs/work_lock.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// A name that every rank has, and no other preflight.
std::string shared_name(cluster::Communicator& comm, const char* what) {
  return fmt::format(
      "{}-{}", what,
      cluster::broadcast(comm, fmt::format("{}-{}", cluster::host_name(), ::getpid())));
}

/// What went wrong on this rank; empty: nothing. What is told to others goes on all the same.
template <class Step>
std::string problem_of(Step&& step) {
  try {
    step();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

Finding check_shared_folder(cluster::Communicator& comm, const fs::path& folder) {
  constexpr double kPatience = 5;  // seconds; on a network file system a new name may take some
  const std::string name = shared_name(comm, "shared");
  fs::path file;
  const std::string unusable =
      problem_of([&] { file = existing_folder(folder) / (".tessera-preflight-" + name); });
  const std::string problem = problem_of([&] {
    if (comm.is_first() && unusable.empty()) write_file_atomically(file, name);
  });
  const std::string of_first = cluster::broadcast(comm, unusable.empty() ? problem : unusable);
  const auto start = std::chrono::steady_clock::now();
  std::chrono::duration<double> waited{0};
  bool is_seen = false;
  while (unusable.empty() && of_first.empty() && !is_seen && waited.count() < kPatience) {
    is_seen =
        problem_of([&] { require_input(read_text_file(file) == name, "other words"); }).empty();
    if (!is_seen) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    waited = std::chrono::steady_clock::now() - start;
  }
  comm.barrier();
  std::error_code ignored;
  if (comm.is_first()) fs::remove(file, ignored);
  if (!unusable.empty()) throw MachineError(unusable);
  if (!of_first.empty()) throw MachineError("the first rank could not write: " + of_first);
  if (is_seen) return {Verdict::ok, waited.count(), "s", "all ranks see what the first one writes"};
  return {
      Verdict::failed, waited.count(), "s",
      fmt::format("{} does not show what the first rank wrote there (it is not one folder on all "
                  "nodes). Name a runtime.work_dir on a shared file system.",
                  file.parent_path().string())};
}

Finding check_locks(cluster::Communicator& comm, const fs::path& folder) {
  const std::string name = shared_name(comm, "lock");
  std::string holder;
  fs::path file;
  Descriptor lock;
  bool is_taken = false;
  const std::string problem = problem_of([&] {
    holder = holder_of(folder);
    file = existing_folder(folder) / (".tessera-preflight-" + name);
    lock = Descriptor(file, O_RDWR | O_CREAT);
    if (comm.is_first()) is_taken = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
  });
  const bool first_has_it = cluster::broadcast(comm, is_taken ? "yes" : "no") == "yes";
  const bool is_kept_out = comm.is_first() || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
  comm.barrier();
  std::error_code ignored;
  if (comm.is_first() && !file.empty()) fs::remove(file, ignored);
  if (!problem.empty()) throw MachineError(problem);
  const double ranks = static_cast<double>(comm.size());
  if (!holder.empty()) {
    return {Verdict::failed, ranks, "ranks",
            fmt::format("{} is in use ({}). Wait for that run to end, or name another "
                        "runtime.work_dir.",
                        folder.string(), holder)};
  }
  if (first_has_it && is_kept_out) return {Verdict::ok, ranks, "ranks", "locks keep others out"};
  return {Verdict::warning, ranks, "ranks",
          fmt::format(
              "{} cannot be locked between ranks ({}). Start no second run in it.",
              file.parent_path().string(),
              first_has_it ? "what one holds another gets, too" : "the file system has no locks")};
}

}  // namespace tessera::jobs
