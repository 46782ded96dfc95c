#include "calibration/calibration_shards.hpp"

#include "core/error.hpp"

namespace tessera::calibration {

std::vector<Tile> cut_into_shards(std::size_t num_samples, std::size_t num_shards) {
  require(num_shards >= 1 && num_shards <= num_samples,
          "shards are at least one and at most as many as samples");
  std::vector<Tile> shards;
  std::size_t begin = 0;
  for (std::size_t s = 0; s < num_shards; ++s) {
    const std::size_t size = num_samples / num_shards + (s < num_samples % num_shards ? 1 : 0);
    shards.push_back({begin, begin + size});
    begin += size;
  }
  return shards;
}

}  // namespace tessera::calibration
