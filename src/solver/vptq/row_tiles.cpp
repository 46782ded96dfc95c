#include "solver/vptq/row_tiles.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::solver {
namespace {

constexpr std::size_t kLanes = 16;  // vectors that share a register
constexpr std::size_t kTilesWanted =
    32;  // enough to share out evenly; beyond that, taller tiles multiply faster
constexpr std::size_t kMaxHeightFactor = 4;

RowTile make_row_tile(MatrixView<const float> weight, const ColumnNorm& norm,
                      const ColumnLayout& layout, Tile rows) {
  const std::size_t n = weight.cols;
  std::size_t shortest = layout.segments.front().vector_len;
  for (const Segment& segment : layout.segments) shortest = std::min(shortest, segment.vector_len);
  RowTile tile;
  tile.rows = rows;
  tile.weight = Matrix<float>(n, rows.size());
  tile.quantized = Matrix<float>(n, rows.size());
  tile.gradient = Matrix<float>(n, rows.size());
  tile.main = Matrix<std::uint16_t>(n, tile.num_vectors(shortest));
  const bool has_residual = std::any_of(layout.segments.begin(), layout.segments.end(),
                                        [](const Segment& s) { return s.num_res_centroids > 0; });
  if (has_residual) tile.residual = Matrix<std::uint16_t>(n, tile.num_vectors(shortest));
  for (std::size_t p = 0; p < n; ++p) {
    const std::size_t column = layout.perm[p];
    const float inverse = 1.0f / norm.scale[column];
    float* out = tile.weight.row(p);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      out[r] = (weight(rows.begin + r, column) - norm.bias[column]) * inverse;
    }
  }
  return tile;
}

}  // namespace

std::size_t tile_height(std::size_t out_features, const std::vector<Segment>& segments) {
  std::size_t height = kLanes;
  for (const Segment& segment : segments) {
    height =
        std::lcm(height, segment.is_outlier ? segment.vector_len : kLanes * segment.vector_len);
  }
  const std::size_t factor =
      std::clamp<std::size_t>(out_features / (height * kTilesWanted), 1, kMaxHeightFactor);
  return height * factor;
}

std::vector<RowTile> make_row_tiles(Threads& threads, MatrixView<const float> weight,
                                    const ColumnNorm& norm, const ColumnLayout& layout) {
  const std::size_t height = tile_height(weight.rows, layout.segments);
  std::vector<RowTile> tiles(num_tiles(weight.rows, height));
  threads.for_each(tiles.size(), [&](std::size_t t) {
    tiles[t] = make_row_tile(weight, norm, layout, tile_at(t, height, weight.rows));
  });
  return tiles;
}

}  // namespace tessera::solver
