#include "jobs/machine.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/threads.hpp"

namespace tessera::jobs {
namespace {

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

/// The number behind @p key in a file of lines "MemAvailable:  123 kB"; 0 where there is none.
std::uint64_t number_behind(const std::string& key, const std::filesystem::path& file) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::uint64_t number = 0;
    if (word == key && in >> number) return number;
  }
  return 0;
}

/// The number a file begins with; nothing where it says "max" or is not there.
std::optional<std::uint64_t> number_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  return in >> number ? std::optional(number) : std::nullopt;
}

/// This process's control group below /sys/fs/cgroup; "0::/path" is its line.
std::filesystem::path control_group() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("0::/")) return "/sys/fs/cgroup" + line.substr(3);
  }
  return "/sys/fs/cgroup";
}

}  // namespace

std::uint64_t available_memory_bytes() {
  std::uint64_t available = number_behind("MemAvailable:", "/proc/meminfo") * 1024;
  for (auto group = control_group(); group.has_relative_path(); group = group.parent_path()) {
    const auto limit = number_in(group / "memory.max"), used = number_in(group / "memory.current");
    if (!limit || !used) continue;
    const auto held =
        *used - std::min(*used, number_behind("inactive_file", group / "memory.stat"));
    available = std::min(available, *limit - std::min(*limit, held));
  }
  return available;
}

MachineReport describe_machine(std::size_t num_threads) {
  const auto pages = sysconf(_SC_PHYS_PAGES);
  const auto page_bytes = sysconf(_SC_PAGESIZE);
  MachineReport machine;
  machine.processor = processor_name();
  machine.num_cores = Threads::cores_available();
  machine.num_threads = num_threads;
  if (pages > 0 && page_bytes > 0) {
    machine.memory_bytes =
        static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  }
  return machine;
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void release_free_memory() {
  static_cast<void>(malloc_trim(0));
}

}  // namespace tessera::jobs
