#include "residual/budget.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "core/matrix.hpp"

namespace tessera::residual {
namespace {

constexpr std::uint64_t kSteps = 20000;

}  // namespace

std::vector<std::size_t> choose_within_budget(std::span<const std::vector<BudgetOption>> layers,
                                              std::uint64_t budget) {
  const std::uint64_t num_steps = std::min(budget, kSteps);
  const auto steps_of = [&](std::uint64_t bytes) -> std::uint64_t {
    if (bytes == 0) return 0;
    if (bytes > budget) return num_steps + 1;
    // ceil(bytes / (budget / num_steps)), in whole numbers
    return (bytes * num_steps + budget - 1) / budget;
  };
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<double> least(num_steps + 1, kNever);  // by steps spent, of the layers so far
  least[0] = 0;
  Matrix<std::uint8_t> taken(layers.size(), num_steps + 1);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    require(layers[l].size() < 256, "a layer has few options");
    std::vector<double> next(num_steps + 1, kNever);
    for (std::size_t o = 0; o < layers[l].size(); ++o) {
      const std::uint64_t cost = steps_of(layers[l][o].bytes);
      for (std::uint64_t spent = cost; spent <= num_steps; ++spent) {
        const double error = least[spent - cost] + layers[l][o].error;
        if (!(error < next[spent])) continue;
        next[spent] = error;
        taken(l, spent) = static_cast<std::uint8_t>(o);
      }
    }
    least = std::move(next);
  }
  std::uint64_t spent = static_cast<std::uint64_t>(std::ranges::min_element(least) - least.begin());
  require(least[spent] < kNever, "every layer has an option of 0 bytes");
  std::vector<std::size_t> chosen(layers.size());
  for (std::size_t l = layers.size(); l-- > 0;) {
    chosen[l] = taken(l, spent);
    spent -= steps_of(layers[l][chosen[l]].bytes);
  }
  return chosen;
}

}  // namespace tessera::residual
