#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cluster/communicator.hpp"

namespace tessera::cluster {

/// A range of numbers whose complete sum belongs to one rank.
struct Slab {
  std::size_t owner = 0;  ///< a rank
  std::size_t size = 0;   ///< numbers
};

/// How a rank hands out its partial and takes in the others'. Offsets count from a slab's begin.
struct PartialSum {
  /// Copies this rank's numbers [offset, offset + out.size()) of @p slab.
  std::function<void(std::size_t slab, std::size_t offset, std::span<double> out)> copy;
  /// Adds a rank's numbers to the sum this rank owns.
  std::function<void(std::size_t slab, std::size_t offset, std::span<const double> in)> add;
};

struct ReductionCost {
  std::uint64_t bytes_sent = 0;  ///< by this rank, to others
  double seconds = 0;
};

/// Adds the partials of the ranks 0 ... @p num_partials - 1 to the sums their slabs' owners keep,
/// in rank order: the order of addition is the same for every number of ranks when rank r holds
/// partial r of a round and rounds follow each other (as in KaMPIng's reproducible reduction, the
/// order is fixed by the data and not by who computes). Ranks from num_partials on hold no partial
/// in this round; they take part nevertheless. Collective.
///
/// Beside slab and partial, a rank holds (num_partials + size) messages of kReductionChunk numbers.
ReductionCost reduce_to_owners(Communicator& comm, const std::vector<Slab>& slabs,
                               std::size_t num_partials, const PartialSum& partial);

inline constexpr std::size_t kReductionChunk = std::size_t{1} << 17;

}  // namespace tessera::cluster
