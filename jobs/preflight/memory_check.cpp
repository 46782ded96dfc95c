#include <algorithm>

#include <fmt/core.h>

#include "core/human_text.hpp"
#include "jobs/machine.hpp"
#include "jobs/preflight/checks.hpp"

namespace tessera::jobs {

std::uint64_t memory_share(cluster::Communicator& comm) {
  const std::uint64_t available = available_memory_bytes();
  const std::size_t ranks = cluster::ranks_of_this_node(comm);  // and nobody has begun to take any
  return available / ranks;
}

Finding memory_finding(std::uint64_t wanted, std::uint64_t available, std::size_t ranks_of_node) {
  constexpr double kSpare = 1.1;
  const auto need = static_cast<double>(wanted), have = static_cast<double>(available);
  const std::string seen =
      fmt::format("on this node {} rank{} {} at most, {} are free", ranks_of_node,
                  ranks_of_node == 1 ? " takes" : "s take", bytes_text(need), bytes_text(have));
  if (need > have) {
    return {Verdict::failed, need, "bytes",
            seen +
                " (the system would end them). Start fewer processes a node, free memory, or set "
                "runtime.host_memory to what a process may use."};
  }
  if (need * kSpare > have) {
    return {Verdict::warning, need, "bytes",
            seen + " (next to nothing is left for files' pages). Start fewer processes a node."};
  }
  return {Verdict::ok, need, "bytes", seen};
}

Finding check_memory(RunContext& run, const PreparedRun& prepared) {
  const MemoryPlan& plan = prepared.memory;
  const std::uint64_t of_rank =
      std::max({plan.calibrate_bytes, plan.solve_bytes, plan.assemble_bytes, plan.evaluate_bytes});
  const std::size_t ranks = cluster::ranks_of_this_node(run.comm);
  return memory_finding(of_rank * ranks, memory_share(run.comm) * ranks, ranks);
}

}  // namespace tessera::jobs
