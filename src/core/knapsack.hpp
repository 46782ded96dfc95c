#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

/// One way of doing a thing.
struct KnapsackOption {
  std::uint64_t cost = 0;
  double loss = 0;  ///< in a measure that adds up over things
};

/// Chooses one option for each thing so that the losses' sum is least and the costs' sum at most
/// @p budget: a knapsack of several choices, by dynamic programming over what may be spent beyond
/// the cheapest options, in units of the costs' common divisor or, where that takes more, in 20,000
/// steps. To those costs are rounded up, so the budget is kept; the choice is the best one of
/// those. Of equal sums the one with lower costs wins.
/// @return an index into the options of each thing
/// @pre each has an option, and the cheapest of all keep the budget
std::vector<std::size_t> choose_within_budget(std::span<const std::vector<KnapsackOption>> things,
                                              std::uint64_t budget);

}  // namespace tessera
