#include "jobs/machine.hpp"

#include <fstream>

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

}  // namespace

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
