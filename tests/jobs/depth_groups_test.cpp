#include "jobs/depth_groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

using testing::ElementsAre;

std::vector<std::size_t> sizes(std::size_t wanted, std::size_t num_blocks) {
  std::vector<std::size_t> found;
  std::size_t next = 0;
  for (const Tile& group : depth_groups(wanted, num_blocks)) {
    EXPECT_EQ(group.begin, next) << "groups follow each other";
    next = group.end;
    found.push_back(group.size());
  }
  EXPECT_EQ(next, num_blocks);
  return found;
}

TEST(DepthGroups, AreAsManyAsWantedAtMost) {
  EXPECT_THAT(sizes(6, 1), ElementsAre(1));
  EXPECT_THAT(sizes(1, 3), ElementsAre(3));
  EXPECT_THAT(sizes(2, 3), ElementsAre(2, 1));
  EXPECT_THAT(sizes(6, 30), ElementsAre(5, 5, 5, 5, 5, 5));
  EXPECT_THAT(sizes(6, 7), ElementsAre(2, 2, 2, 1));
}

TEST(KindOf, IsThatOfAllExperts) {
  model::LinearLayer layer;
  layer.module = "mlp.down_proj";
  EXPECT_EQ(kind_of(layer), "mlp.down_proj");
  layer.module = "mlp.experts.17.down_proj";
  layer.expert = 17;
  EXPECT_EQ(kind_of(layer), "experts.down_proj");
}

/// Of three blocks in one group the middle one stands for all, but not for a layer that has
/// settings of its own.
TEST(Representatives, HaveTheSameRecipes) {
  PreparedRun prepared;
  prepared.job.quantize.vptq.vector_len = 4;
  prepared.job.quantize.vptq.num_centroids = 16;
  prepared.job.quantize.budget.bits_per_weight = 4;
  prepared.job.quantize.budget.depth_groups = 1;
  prepared.job.quantize.overrides.push_back(
      {"layers\\.2\\..*", prepared.job.quantize.vptq, prepared.job.quantize.aweq});
  prepared.config.num_blocks = 3;
  for (std::size_t block = 0; block < 3; ++block) {
    for (const char* module : {"self_attn.q_proj", "mlp.up_proj"}) {
      LayerUnit unit;
      unit.layer.block = block;
      unit.layer.module = module;
      unit.layer.name = "model.layers." + std::to_string(block) + "." + module;
      unit.layer.out_features = unit.layer.in_features = 32;
      unit.settings = prepared.job.quantize.vptq;
      prepared.units.push_back(unit);
    }
  }
  EXPECT_THAT(representatives(prepared), ElementsAre(2, 3, 2, 3, 4, 5));
}

}  // namespace
}  // namespace tessera::jobs
