#include "linalg/kmeans_partition.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>

namespace tessera::linalg {
namespace {

constexpr std::size_t kVectorsPerTask = 2048;
constexpr std::size_t kVectorsPerChunk = 16384;

}  // namespace

Partition make_partition(Threads& threads, Planes x, std::span<const float> weights) {
  Partition partition{Matrix<float>(x.cols, x.rows + 1), std::vector<std::uint32_t>(x.cols),
                      std::vector<std::uint32_t>(x.cols)};
  std::iota(partition.original.begin(), partition.original.end(), 0U);
  threads.for_each(num_tiles(x.cols, kVectorsPerTask), [&](std::size_t task) {
    const Tile tile = tile_at(task, kVectorsPerTask, x.cols);
    for (std::size_t i = tile.begin; i < tile.end; ++i) {
      float* row = partition.rows.data() + i * (x.rows + 1);
      for (std::size_t t = 0; t < x.rows; ++t) row[t] = x.data[t * x.ld + i];
      row[x.rows] = weights[i];
    }
  });
  return partition;
}

void group_by_centroid(Threads& threads, const Partition& partition, std::size_t num_centroids,
                       Groups& groups) {
  const std::size_t n = partition.size();
  const std::size_t extent = std::max(kVectorsPerChunk, n / 32 + 1);  // bounds the table of counts
  const std::size_t num_chunks = num_tiles(n, extent);
  std::vector<std::size_t> next(num_chunks * num_centroids);  // (chunk, centroid)
  threads.for_each(num_chunks, [&](std::size_t chunk) {
    const Tile tile = tile_at(chunk, extent, n);
    std::size_t* count = next.data() + chunk * num_centroids;
    for (std::size_t i = tile.begin; i < tile.end; ++i) ++count[partition.index[i]];
  });
  groups.order.resize(n);
  groups.begin.resize(num_centroids + 1);
  std::size_t total = 0;
  for (std::size_t c = 0; c < num_centroids; ++c) {
    groups.begin[c] = total;
    for (std::size_t chunk = 0; chunk < num_chunks; ++chunk) {
      const std::size_t count = next[chunk * num_centroids + c];
      next[chunk * num_centroids + c] = total;
      total += count;
    }
  }
  groups.begin[num_centroids] = total;
  threads.for_each(num_chunks, [&](std::size_t chunk) {
    const Tile tile = tile_at(chunk, extent, n);
    std::size_t* place = next.data() + chunk * num_centroids;
    for (std::size_t i = tile.begin; i < tile.end; ++i) {
      groups.order[place[partition.index[i]]++] = static_cast<std::uint32_t>(i);
    }
  });
}

void store_by_group(Threads& threads, Partition& partition, Groups& groups) {
  const std::size_t n = partition.size();
  Partition stored{Matrix<float>(n, partition.rows.cols()), std::vector<std::uint32_t>(n),
                   std::vector<std::uint32_t>(n)};
  threads.for_each(num_tiles(n, kVectorsPerTask), [&](std::size_t task) {
    const Tile tile = tile_at(task, kVectorsPerTask, n);
    for (std::size_t i = tile.begin; i < tile.end; ++i) {
      const std::size_t from = groups.order[i];
      std::copy_n(partition.row(from), stored.rows.cols(),
                  stored.rows.data() + i * stored.rows.cols());
      stored.index[i] = partition.index[from];
      stored.original[i] = partition.original[from];
    }
  });
  partition = std::move(stored);
  std::iota(groups.order.begin(), groups.order.end(), 0U);
}

bool assign_all(Threads& threads, Planes x, const CentroidTable& table, Partition& partition) {
  std::atomic<bool> changed = false;
  threads.for_each(num_tiles(x.cols, kVectorsPerTask), [&](std::size_t task) {
    const Tile tile = tile_at(task, kVectorsPerTask, x.cols);
    std::array<std::uint32_t, kVectorsPerTask> nearest;
    nearest_centroid(x.block(0, tile.begin, x.rows, tile.size()), table,
                     {nearest.data(), tile.size()});
    std::uint32_t* index = partition.index.data() + tile.begin;
    if (std::equal(index, index + tile.size(), nearest.data())) return;
    std::copy_n(nearest.data(), tile.size(), index);
    changed = true;
  });
  return changed;
}

}  // namespace tessera::linalg
