#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::residual {

/// One way of compensating a layer.
struct BudgetOption {
  std::uint64_t k_chunk = 0;
  std::uint64_t bytes = 0;  ///< fetched for each token
  double error = 0;         ///< that is left, in a measure that adds up over layers
};

/// Chooses one option for each layer so that the errors' sum is least and the bytes' sum at most
/// @p budget: a knapsack of several choices, by dynamic programming over the bytes in steps of a
/// 1/20,000 of the budget. Costs are rounded up to steps, so the budget is kept; the choice is the
/// best one of those. Of equal sums the one with fewer bytes wins.
/// @param layers options of each; each has one of 0 bytes
/// @return an index into the options of each layer
std::vector<std::size_t> choose_within_budget(std::span<const std::vector<BudgetOption>> layers,
                                              std::uint64_t budget);

}  // namespace tessera::residual
