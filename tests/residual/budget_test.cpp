#include "residual/budget.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace tessera::residual {
namespace {

using Layers = std::vector<std::vector<BudgetOption>>;

double error_of(const Layers& layers, const std::vector<std::size_t>& chosen) {
  double error = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) error += layers[l][chosen[l]].error;
  return error;
}
std::uint64_t bytes_of(const Layers& layers, const std::vector<std::size_t>& chosen) {
  std::uint64_t bytes = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) bytes += layers[l][chosen[l]].bytes;
  return bytes;
}

/// All combinations.
double least_error(const Layers& layers, std::uint64_t budget) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::size_t> chosen(layers.size());
  for (;;) {
    if (bytes_of(layers, chosen) <= budget) least = std::min(least, error_of(layers, chosen));
    std::size_t l = 0;
    while (l < layers.size() && ++chosen[l] == layers[l].size()) chosen[l++] = 0;
    if (l == layers.size()) return least;
  }
}

TEST(Budget, OfNothingChoosesNothing) {
  EXPECT_TRUE(choose_within_budget({}, 100).empty());
  const Layers layers = {{{0, 0, 1.0}, {8, 50, 0.5}}};
  EXPECT_EQ(choose_within_budget(layers, 0), std::vector<std::size_t>{0});
  EXPECT_EQ(choose_within_budget(layers, 49), std::vector<std::size_t>{0});
  EXPECT_EQ(choose_within_budget(layers, 50), std::vector<std::size_t>{1});
}

// Six layers of four options, whose errors need not fall: as good as the best of 4096 combinations.
TEST(Budget, IsBruteForceOnSixLayers) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const CounterRandom random(seed, "budget", "test");
    Layers layers(6);
    std::uint64_t i = 0;
    for (auto& options : layers) {
      options.push_back({0, 0, 1 + random.uniform(i++)});
      for (std::uint64_t k = 1; k < 4; ++k) {
        options.push_back({k, 1 + random.below(i++, 900), 1.5 * random.uniform(i++)});
      }
    }
    for (const std::uint64_t budget : {0, 100, 1000, 2000, 10000}) {
      const auto chosen = choose_within_budget(layers, budget);
      EXPECT_LE(bytes_of(layers, chosen), budget);
      EXPECT_NEAR(error_of(layers, chosen), least_error(layers, budget), 1e-12) << seed;
    }
  }
}

// Costs are rounded up to steps of the budget's 20,000th: the sum keeps the budget.
TEST(Budget, IsKeptWhereStepsAreCoarse) {
  Layers layers(50);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l] = {{0, 0, 1.0}, {8, 1'000'003 + l, 0.5}, {16, 2'000'005 + l, 0.3}};
  }
  const std::uint64_t budget = 60'000'000;
  const auto chosen = choose_within_budget(layers, budget);
  EXPECT_LE(bytes_of(layers, chosen), budget);
  EXPECT_GT(bytes_of(layers, chosen), budget - 2'100'000) << "no layer's step is left over";
}

}  // namespace
}  // namespace tessera::residual
