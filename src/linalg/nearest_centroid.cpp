#include "linalg/nearest_centroid.hpp"

#include <algorithm>

#include "linalg/centroid_blocks.hpp"

namespace tessera::linalg {
namespace {

/// G registers of vectors; the first @p count are wanted.
template <std::size_t V, std::size_t G>
void search_tile(const float* x, std::size_t ld, std::size_t count, const CentroidTable& table,
                 std::uint32_t* index) {
  const auto best = search_blocks<V, G, false>(table.blocks(), table.num_blocks(), x, ld);
  float score[G * kLanes];
  float number[G * kLanes];
  for (std::size_t g = 0; g < G; ++g) {
    best.score[g].copy_to(score + g * kLanes, kUnaligned);
    best.block[g].copy_to(number + g * kLanes, kUnaligned);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto b = static_cast<std::size_t>(number[i]);
    const float* block = table.blocks() + b * (V + 1) * kLanes;
    const std::size_t c = b * kLanes + lane_of_score<V>(block, x + i, ld, score[i]);
    index[i] = static_cast<std::uint32_t>(std::min(c, table.count() - 1));  // scores that overflow
  }
}

template <std::size_t V>
void search(Planes x, const CentroidTable& table, std::uint32_t* index) {
  constexpr std::size_t kTile = kGroups<V> * kLanes;
  const std::size_t n = x.cols;
  std::size_t i = 0;
  for (; i + kTile <= n; i += kTile) {
    search_tile<V, kGroups<V>>(x.data + i, x.ld, kTile, table, index + i);
  }
  for (; i + kLanes <= n; i += kLanes) {
    search_tile<V, 1>(x.data + i, x.ld, kLanes, table, index + i);
  }
  if (i == n) return;
  float padded[V * kLanes] = {};  // the last vectors, with zeros for those that are not there
  for (std::size_t t = 0; t < V; ++t) {
    std::copy_n(x.data + t * x.ld + i, n - i, padded + t * kLanes);
  }
  search_tile<V, 1>(padded, kLanes, n - i, table, index + i);
}

}  // namespace

CentroidTable::CentroidTable(MatrixView<const float> centroids)
    : centroids_(centroids.rows, centroids.cols), half_norms_(1, centroids.rows) {
  const std::size_t k = centroids.rows;
  const std::size_t v = centroids.cols;
  require(k > 0 && k <= std::size_t{1} << 24, "a centroid table holds 1 to 2^24 centroids");
  require(v > 0 && v <= kMaxVectorLen, "vector length must lie between 1 and kMaxVectorLen");
  blocks_ = Matrix<float>((k + kLanes - 1) / kLanes, block_floats(v));
  for (std::size_t c = 0; c < k; ++c) {
    const float* row = centroids.row(c);
    std::copy_n(row, v, centroids_.row(c));
    double squares = 0;
    for (std::size_t t = 0; t < v; ++t) squares += static_cast<double>(row[t]) * row[t];
    half_norms_(0, c) = static_cast<float>(squares / 2);
    put_in_block(blocks_.data(), c, row, half_norms_(0, c), v);
  }
  pad_last_block(blocks_.data(), k, v);
}

void nearest_centroid(Planes x, const CentroidTable& table, std::span<std::uint32_t> index) {
  require(x.rows == table.vector_len(), "vectors and centroids must have the same length");
  require(index.size() == x.cols, "nearest_centroid needs one index per vector");
  with_vector_len(x.rows, [&](auto v) { search<v>(x, table, index.data()); });
}

}  // namespace tessera::linalg
