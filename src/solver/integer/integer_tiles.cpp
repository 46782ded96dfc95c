#include "solver/integer/integer_tiles.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::solver {
namespace {

constexpr std::size_t kTilesWanted =
    16;  // enough to share out evenly; taller tiles multiply faster
constexpr std::size_t kLeastHeight = 32, kMostHeight = 256;

std::size_t tile_height(std::size_t out_features) {
  const std::size_t wanted = (out_features / kTilesWanted + 15) / 16 * 16;
  return std::clamp(wanted, kLeastHeight, kMostHeight);
}

}  // namespace

IntegerLayout lay_out_integers(std::span<const double> importance,
                               const IntegerSettings& settings) {
  const std::size_t n = importance.size();
  IntegerLayout layout;
  layout.perm.resize(n);
  std::iota(layout.perm.begin(), layout.perm.end(), 0u);
  if (settings.activation_order && settings.rounding == Rounding::gptq) {
    std::ranges::stable_sort(layout.perm, [&](std::uint32_t a, std::uint32_t b) {
      return importance[a] > importance[b];
    });
  }
  const bool has_groups = settings.effective_granularity() == Granularity::group;
  layout.group_size = has_groups ? std::min(static_cast<std::size_t>(settings.group_size), n) : n;
  layout.positions.resize(num_tiles(n, layout.group_size));
  for (std::uint32_t p = 0; p < n; ++p) {
    layout.group_of.push_back(static_cast<std::uint32_t>(layout.perm[p] / layout.group_size));
    layout.positions[layout.group_of.back()].push_back(p);
  }
  return layout;
}

std::vector<IntegerTile> make_integer_tiles(Threads& threads, MatrixView<const float> weight,
                                            const IntegerLayout& layout) {
  const std::size_t height = tile_height(weight.rows), n = weight.cols;
  std::vector<IntegerTile> tiles(num_tiles(weight.rows, height));
  threads.for_each(tiles.size(), [&](std::size_t t) {
    IntegerTile& tile = tiles[t];
    tile.rows = tile_at(t, height, weight.rows);
    const std::size_t rows = tile.rows.size();
    tile.weight = Matrix<float>(n, rows);
    tile.quantized = Matrix<float>(n, rows);
    tile.gradient = Matrix<float>(n, rows);
    tile.codes = Matrix<std::uint8_t>(n, rows);
    tile.scale = Matrix<float>(layout.positions.size(), rows);
    tile.zero = Matrix<float>(layout.positions.size(), rows);
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t r = 0; r < rows; ++r)
        tile.weight(p, r) = weight(tile.rows.begin + r, layout.perm[p]);
    }
  });
  return tiles;
}

}  // namespace tessera::solver
