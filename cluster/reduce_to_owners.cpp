#include "cluster/reduce_to_owners.hpp"

#include <algorithm>
#include <chrono>

#include "core/error.hpp"

namespace tessera::cluster {
namespace {

/// A piece of a slab that fits one message.
struct Piece {
  std::size_t slab = 0, offset = 0, size = 0;
};

/// What each rank owns, cut into messages; the t-th of every owner travels in step t.
std::vector<std::vector<Piece>> pieces_by_owner(const std::vector<Slab>& slabs,
                                                std::size_t num_ranks) {
  std::vector<std::vector<Piece>> pieces(num_ranks);
  for (std::size_t s = 0; s < slabs.size(); ++s) {
    require(slabs[s].owner < num_ranks, "a slab's owner is one of the ranks");
    for (std::size_t offset = 0; offset < slabs[s].size; offset += kReductionChunk) {
      const std::size_t size = std::min(kReductionChunk, slabs[s].size - offset);
      pieces[slabs[s].owner].push_back({s, offset, size});
    }
  }
  return pieces;
}

/// The messages of one step: outgoing by owner, incoming by the rank whose partial it is.
struct Messages {
  std::vector<std::vector<double>> outgoing, incoming;

  void exchange(Communicator& comm) {
    std::vector<std::span<const double>> to(outgoing.begin(), outgoing.end());
    std::vector<std::span<double>> from(incoming.begin(), incoming.end());
    comm.exchange(to, from);
  }
};

}  // namespace

ReductionCost reduce_to_owners(Communicator& comm, const std::vector<Slab>& slabs,
                               std::size_t num_partials, const PartialSum& partial) {
  require(num_partials <= comm.size(), "a rank holds one partial a round");
  const auto start = std::chrono::steady_clock::now();
  const auto pieces = pieces_by_owner(slabs, comm.size());
  std::size_t num_steps = 0;
  for (const auto& of_owner : pieces) num_steps = std::max(num_steps, of_owner.size());

  ReductionCost cost;
  const bool has_partial = comm.rank() < num_partials;
  Messages messages{std::vector<std::vector<double>>(comm.size()),
                    std::vector<std::vector<double>>(comm.size())};
  for (std::size_t step = 0; step < num_steps; ++step) {
    for (std::size_t owner = 0; owner < comm.size(); ++owner) {
      auto& out = messages.outgoing[owner];
      const bool is_sent = has_partial && step < pieces[owner].size();
      out.resize(is_sent ? pieces[owner][step].size : 0);
      if (!is_sent) continue;
      partial.copy(pieces[owner][step].slab, pieces[owner][step].offset, out);
      if (owner != comm.rank()) cost.bytes_sent += out.size() * sizeof(double);
    }
    const auto& mine = pieces[comm.rank()];
    const std::size_t arriving = step < mine.size() ? mine[step].size : 0;
    for (std::size_t r = 0; r < comm.size(); ++r) {
      messages.incoming[r].resize(r < num_partials ? arriving : 0);
    }
    messages.exchange(comm);
    if (arriving == 0) continue;
    for (std::size_t r = 0; r < num_partials; ++r) {
      partial.add(mine[step].slab, mine[step].offset, messages.incoming[r]);
    }
  }
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return cost;
}

}  // namespace tessera::cluster
