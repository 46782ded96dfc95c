#include "cluster/reduce_to_owners.hpp"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/cluster/ranks.hpp"

namespace tessera::cluster {
namespace {

/// Numbers whose sum depends on the order in which they are added.
double number(std::size_t shard, std::size_t index) {
  const double magnitude = std::pow(10.0, static_cast<double>((shard * 7 + index) % 33) - 16);
  // Through memory: a product fused into the caller's addition would be another number.
  volatile double value =
      (shard % 2 == 0 ? 1 : -1) * magnitude * (1.0 + 1.0 / static_cast<double>(3 + index % 11));
  return value;
}

/// Slabs of one number, of none, of just over a message, and of what is left.
std::vector<std::size_t> slab_sizes() {
  return {1, 0, kReductionChunk + 1, 12'345};
}

std::vector<std::vector<double>> sums_one_after_another(std::size_t num_shards) {
  std::vector<std::vector<double>> sums;
  for (const std::size_t size : slab_sizes()) sums.emplace_back(size);
  for (std::size_t shard = 0; shard < num_shards; ++shard) {
    std::size_t index = 0;
    for (auto& slab : sums) {
      for (double& sum : slab) sum += number(shard, index++);
    }
  }
  return sums;
}

/// What this rank owns of the sum of @p num_shards shards, computed in rounds.
std::vector<std::vector<double>> reduce(Communicator& comm, std::size_t num_shards) {
  std::vector<Slab> slabs;
  std::vector<std::size_t> begins;
  std::vector<std::vector<double>> sums;
  std::size_t begin = 0;
  for (const std::size_t size : slab_sizes()) {
    slabs.push_back({slabs.size() % comm.size(), size});
    begins.push_back(begin);
    begin += size;
    sums.emplace_back(slabs.back().owner == comm.rank() ? size : 0);
  }
  for (std::size_t first = 0; first < num_shards; first += comm.size()) {
    const std::size_t shard = first + comm.rank();
    const auto copy = [&](std::size_t slab, std::size_t offset, std::span<double> out) {
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = number(shard, begins[slab] + offset + i);
    };
    const auto add = [&](std::size_t slab, std::size_t offset, std::span<const double> in) {
      for (std::size_t i = 0; i < in.size(); ++i) sums[slab][offset + i] += in[i];
    };
    reduce_to_owners(comm, slabs, std::min(comm.size(), num_shards - first), {copy, add});
  }
  return sums;
}

TEST(ReduceToOwners, Trap05OneAnswerForEveryNumberOfRanksBitForBit) {
  for (const std::size_t num_shards : {1, 5, 8}) {
    const auto expected = sums_one_after_another(num_shards);
    test::on_ranks([&](Communicator& comm) {
      const auto sums = reduce(comm, num_shards);
      for (std::size_t s = 0; s < sums.size(); ++s) {
        if (s % comm.size() != comm.rank() || sums[s].empty()) continue;
        EXPECT_EQ(std::memcmp(sums[s].data(), expected[s].data(), sums[s].size() * sizeof(double)),
                  0)
            << "slab " << s << ", " << comm.size() << " ranks";
      }
    });
  }
}

TEST(ReduceToOwners, CountsWhatItSendsToOthers) {
  test::on_ranks([](Communicator& comm) {
    const auto copy = [](std::size_t, std::size_t, std::span<double> out) {
      std::ranges::fill(out, 1.0);
    };
    const auto add = [](std::size_t, std::size_t, std::span<const double>) {};
    const auto cost = reduce_to_owners(comm, {{0, 10}}, comm.size(), {copy, add});
    EXPECT_EQ(cost.bytes_sent, comm.rank() == 0 ? 0u : 80u);
  });
}

}  // namespace
}  // namespace tessera::cluster
