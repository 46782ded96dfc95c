#include "jobs/depth_groups.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "jobs/recipes.hpp"

namespace tessera::jobs {
namespace {

bool are_same(const std::vector<Recipe>& a, const std::vector<Recipe>& b) {
  return std::ranges::equal(
      a, b, [](const Recipe& x, const Recipe& y) { return x.unit.settings == y.unit.settings; });
}

}  // namespace

std::string kind_of(const model::LinearLayer& layer) {
  if (!layer.expert) return layer.module;
  return "experts" + layer.module.substr(layer.module.rfind('.'));
}

std::vector<Tile> depth_groups(std::size_t num_groups, std::size_t num_blocks) {
  const std::size_t blocks_a_group = num_tiles(num_blocks, std::min(num_blocks, num_groups));
  std::vector<Tile> groups;
  for (std::size_t g = 0; g < num_tiles(num_blocks, blocks_a_group); ++g) {
    groups.push_back(tile_at(g, blocks_a_group, num_blocks));
  }
  return groups;
}

std::vector<std::size_t> representatives(const PreparedRun& prepared) {
  const auto groups =
      depth_groups(static_cast<std::size_t>(prepared.job.quantize.budget.depth_groups),
                   prepared.config.num_blocks);
  std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> members;
  for (std::size_t u = 0; u < prepared.units.size(); ++u) {
    const model::LinearLayer& layer = prepared.units[u].layer;
    members[{layer.block / groups.front().size(), kind_of(layer)}].push_back(u);
  }
  std::vector<std::size_t> found(prepared.units.size());
  for (const auto& [key, of_group] : members) {
    const std::size_t middle = of_group[of_group.size() / 2];
    const auto recipes = recipes_of(prepared.job, prepared.units[middle]);
    for (const std::size_t u : of_group) {
      found[u] = are_same(recipes, recipes_of(prepared.job, prepared.units[u])) ? middle : u;
    }
  }
  return found;
}

}  // namespace tessera::jobs
