#include "core/knapsack.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.hpp"
#include "core/matrix.hpp"

namespace tessera {
namespace {

constexpr std::uint64_t kSteps = 20000;

std::uint64_t least_cost(const std::vector<KnapsackOption>& options) {
  require(!options.empty() && options.size() < 256, "a thing has some options, and few");
  return std::ranges::min_element(options, {}, &KnapsackOption::cost)->cost;
}

/// What every cost beyond the cheapest is a multiple of; 1 where there is none.
std::uint64_t common_divisor(std::span<const std::vector<KnapsackOption>> things) {
  std::uint64_t divisor = 0;
  for (const auto& options : things) {
    const std::uint64_t least = least_cost(options);
    for (const KnapsackOption& option : options) divisor = std::gcd(divisor, option.cost - least);
  }
  return std::max<std::uint64_t>(divisor, 1);
}

}  // namespace

std::vector<std::size_t> choose_within_budget(std::span<const std::vector<KnapsackOption>> things,
                                              std::uint64_t budget) {
  std::uint64_t cheapest = 0;
  for (const auto& options : things) cheapest += least_cost(options);
  require(cheapest <= budget, "the cheapest options keep the budget");
  const std::uint64_t unit = common_divisor(things);
  const std::uint64_t left = (budget - cheapest) / unit, num_steps = std::min(left, kSteps);
  const auto steps_of = [&](std::uint64_t extra) -> std::uint64_t {
    const std::uint64_t cost = extra / unit;
    if (cost == 0) return 0;
    if (cost > left) return num_steps + 1;
    // ceil(cost / (left / num_steps)), in whole numbers
    return (cost * num_steps + left - 1) / left;
  };
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<double> least(num_steps + 1, kNever);  // by steps spent, of the things so far
  least[0] = 0;
  Matrix<std::uint8_t> taken(things.size(), num_steps + 1);
  for (std::size_t t = 0; t < things.size(); ++t) {
    std::vector<double> next(num_steps + 1, kNever);
    for (std::size_t o = 0; o < things[t].size(); ++o) {
      const std::uint64_t steps = steps_of(things[t][o].cost - least_cost(things[t]));
      for (std::uint64_t spent = steps; spent <= num_steps; ++spent) {
        const double loss = least[spent - steps] + things[t][o].loss;
        if (!(loss < next[spent])) continue;
        next[spent] = loss;
        taken(t, spent) = static_cast<std::uint8_t>(o);
      }
    }
    least = std::move(next);
  }
  std::uint64_t spent = static_cast<std::uint64_t>(std::ranges::min_element(least) - least.begin());
  require(least[spent] < kNever, "losses are numbers");
  std::vector<std::size_t> chosen(things.size());
  for (std::size_t t = things.size(); t-- > 0;) {
    chosen[t] = taken(t, spent);
    spent -= steps_of(things[t][chosen[t]].cost - least_cost(things[t]));
  }
  return chosen;
}

}  // namespace tessera
