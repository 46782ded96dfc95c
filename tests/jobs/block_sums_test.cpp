#include "jobs/block_sums.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

using testing::ElementsAre;

std::vector<SlabFile> slabs_of(const std::vector<std::size_t>& sizes) {
  std::vector<SlabFile> slabs;
  for (const std::size_t size : sizes) slabs.push_back({{}, 1, {0, size}, ""});
  return slabs;
}

TEST(SlabOwners, OfOneRankAreAllIts) {
  EXPECT_THAT(slab_owners(slabs_of({5, 1, 1}), 1), ElementsAre(0, 0, 0));
}

TEST(SlabOwners, TheLargestGoFirstAndTheLeastLoadedTakes) {
  EXPECT_THAT(slab_owners(slabs_of({1, 9, 2, 2}), 2), ElementsAre(1, 0, 1, 1));
}

TEST(SlabOwners, MoreRanksThanSlabsLeaveSomeWithout) {
  EXPECT_THAT(slab_owners(slabs_of({4, 4}), 5), ElementsAre(0, 1));
}

}  // namespace
}  // namespace tessera::jobs
