#include <algorithm>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/human_text.hpp"
#include "jobs/block_sums.hpp"
#include "jobs/preflight/checks.hpp"

namespace tessera::jobs {
namespace {

constexpr double kShareSeconds = 15;  // of the preflight
constexpr double kSlow = 50e6;        // bytes a second, of a rank

/// Number @p i of rank @p rank's partial; sums of them tell who is missing, and where.
double number_of(std::size_t rank, std::size_t slab, std::size_t i) {
  return static_cast<double>(rank + 1) * static_cast<double>((31 * slab + i) % 65521);
}

struct Round {
  double seconds = 0;
  std::size_t numbers = 0;  ///< of all slabs
  bool is_right = true;     ///< what arrived here is what was sent
};

/// Sends @p slabs and looks at every number that arrives: nothing need be kept.
Round send(cluster::Communicator& comm, const std::vector<cluster::Slab>& slabs,
           std::size_t num_partials) {
  Round round;
  std::size_t arrivals = 0;  // of a message come as many as there are partials, in rank order
  const auto copy = [&](std::size_t slab, std::size_t offset, std::span<double> out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = number_of(comm.rank(), slab, offset + i);
  };
  const auto add = [&](std::size_t slab, std::size_t offset, std::span<const double> in) {
    const std::size_t rank = arrivals++ % num_partials;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i] != number_of(rank, slab, offset + i)) round.is_right = false;
    }
  };
  for (const cluster::Slab& slab : slabs) round.numbers += slab.size;
  round.seconds = cluster::reduce_to_owners(comm, slabs, num_partials, {copy, add}).seconds;
  return round;
}

std::vector<cluster::Slab> slabs_of_block(cluster::Communicator& comm,
                                          const PreparedRun& prepared) {
  const auto files = slab_files(prepared.config, prepared.units, blocks_of(prepared.units).front(),
                                prepared.extras);
  const auto owners = slab_owners(files, comm.size());
  std::vector<cluster::Slab> slabs;
  for (std::size_t s = 0; s < files.size(); ++s)
    slabs.push_back({owners[s], files[s].range.size()});
  return slabs;
}

/// The same slabs, each shortened: so every owner still takes part.
std::vector<cluster::Slab> part_of(std::vector<cluster::Slab> slabs, std::size_t divisor) {
  for (cluster::Slab& slab : slabs) slab.size = (slab.size + divisor - 1) / divisor;
  return slabs;
}

std::size_t numbers_in(const std::vector<cluster::Slab>& slabs) {
  std::size_t numbers = 0;
  for (const cluster::Slab& slab : slabs) numbers += slab.size;
  return numbers;
}

}  // namespace

Finding check_sum(RunContext& run, const PreparedRun& prepared) {
  constexpr std::size_t kTrial = 16;  // of the numbers a 16th
  const auto slabs = slabs_of_block(run.comm, prepared);
  const auto num_shards = static_cast<std::size_t>(prepared.job.calibration.num_shards);
  const std::size_t num_partials = std::min(run.comm.size(), num_shards);
  Round round = send(run.comm, part_of(slabs, kTrial), num_partials);
  const bool has_time = round.seconds * kTrial < kShareSeconds;
  const bool is_whole = cluster::broadcast(run.comm, has_time ? "all" : "part") == "all";
  if (is_whole) {
    const bool was_right = round.is_right;
    round = send(run.comm, slabs, num_partials);
    round.is_right = round.is_right && was_right;
  }
  const double all = static_cast<double>(numbers_in(slabs));
  const double seconds = round.seconds * all / static_cast<double>(round.numbers);
  const double rate = 8 * all / std::max(seconds, 1e-9);
  const std::string seen =
      fmt::format("{} of a block's sums from {} rank{}{}, {}/s a rank", bytes_text(8 * all),
                  num_partials, num_partials == 1 ? "" : "s",
                  is_whole ? "" : " (a 16th tried, the rest reckoned)", bytes_text(rate));
  if (!round.is_right) {
    return {Verdict::failed, seconds, "s",
            seen +
                "; other numbers arrived than were sent (MPI or the network is damaged). Try "
                "another transport, or leave out this node."};
  }
  if (run.comm.size() == 1 || rate >= kSlow) return {Verdict::ok, seconds, "s", seen};
  return {Verdict::warning, seconds, "s",
          fmt::format("{} (below {}/s calibration waits for its sums). See that MPI uses the fast "
                      "network.",
                      seen, bytes_text(kSlow))};
}

}  // namespace tessera::jobs
