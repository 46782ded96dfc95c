#include "core/knapsack.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/random.hpp"

namespace tessera {
namespace {

using Layers = std::vector<std::vector<KnapsackOption>>;

double loss_of(const Layers& layers, const std::vector<std::size_t>& chosen) {
  double loss = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) loss += layers[l][chosen[l]].loss;
  return loss;
}
std::uint64_t cost_of(const Layers& layers, const std::vector<std::size_t>& chosen) {
  std::uint64_t cost = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) cost += layers[l][chosen[l]].cost;
  return cost;
}

/// All combinations.
double least_loss(const Layers& layers, std::uint64_t budget) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::size_t> chosen(layers.size());
  for (;;) {
    if (cost_of(layers, chosen) <= budget) least = std::min(least, loss_of(layers, chosen));
    std::size_t l = 0;
    while (l < layers.size() && ++chosen[l] == layers[l].size()) chosen[l++] = 0;
    if (l == layers.size()) return least;
  }
}

TEST(Knapsack, OfNothingChoosesNothing) {
  EXPECT_TRUE(choose_within_budget({}, 100).empty());
  const Layers layers = {{{0, 1.0}, {50, 0.5}}};
  EXPECT_EQ(choose_within_budget(layers, 0), std::vector<std::size_t>{0});
  EXPECT_EQ(choose_within_budget(layers, 49), std::vector<std::size_t>{0});
  EXPECT_EQ(choose_within_budget(layers, 50), std::vector<std::size_t>{1});
}

// Six layers of four options, whose losses need not fall: as good as the best of 4096 combinations.
TEST(Knapsack, IsBruteForceOnSixLayers) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const CounterRandom random(seed, "knapsack", "test");
    Layers layers(6);
    std::uint64_t i = 0;
    for (auto& options : layers) {
      options.push_back({0, 1 + random.uniform(i++)});
      for (int k = 1; k < 4; ++k) {
        options.push_back({1 + random.below(i++, 900), 1.5 * random.uniform(i++)});
      }
    }
    for (const std::uint64_t budget : {0, 100, 1000, 2000, 10000}) {
      const auto chosen = choose_within_budget(layers, budget);
      EXPECT_LE(cost_of(layers, chosen), budget);
      EXPECT_NEAR(loss_of(layers, chosen), least_loss(layers, budget), 1e-12) << seed;
    }
  }
}

// What is spent at least is no part of the choice.
TEST(Knapsack, KnowsThingsThatAllCostSomething) {
  const Layers layers = {{{70, 0.1}, {40, 0.5}}, {{30, 2.0}, {60, 0.2}}};
  EXPECT_EQ(choose_within_budget(layers, 70), (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(choose_within_budget(layers, 100), (std::vector<std::size_t>{1, 1}));
  EXPECT_EQ(choose_within_budget(layers, 130), (std::vector<std::size_t>{0, 1}));
  EXPECT_THROW(choose_within_budget(layers, 69), Bug);
}

// A choice that costs all of the budget is found, however large the numbers.
TEST(Knapsack, SpendsTheLastUnit) {
  constexpr std::uint64_t kUnit = 1'000'003;
  Layers layers(50);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l] = {{7, 1.0}, {7 + kUnit * (l + 1), 0.5}};
  }
  const std::uint64_t all = 50 * 7 + kUnit * 50 * 51 / 2;
  EXPECT_EQ(choose_within_budget(layers, all), std::vector<std::size_t>(50, 1));
  // One thing fewer: of equal losses the least cost, so without the dearest.
  EXPECT_EQ(cost_of(layers, choose_within_budget(layers, all - 1)), all - 50 * kUnit);
}

// Costs are rounded up to steps of the budget's 20,000th: the sum keeps the budget.
TEST(Knapsack, IsKeptWhereStepsAreCoarse) {
  Layers layers(50);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l] = {{0, 1.0}, {1'000'003 + l, 0.5}, {2'000'005 + l, 0.3}};
  }
  const std::uint64_t budget = 60'000'000;
  const auto chosen = choose_within_budget(layers, budget);
  EXPECT_LE(cost_of(layers, chosen), budget);
  EXPECT_GT(cost_of(layers, chosen), budget - 2'100'000) << "no layer's step is left over";
}

}  // namespace
}  // namespace tessera
