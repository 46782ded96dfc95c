#include <algorithm>
#include <array>

#include "linalg/centroid_blocks.hpp"
#include "linalg/kmeans_partition.hpp"

namespace tessera::linalg {
namespace {

constexpr std::size_t kVectorsPerChunk = 16384;
constexpr std::size_t kRowsAhead =
    12;  // a row's way from memory takes about as long as summing this many

/// Extent of a task over centroids: enough tasks to share out, few enough to be cheap.
std::size_t centroids_per_task(std::size_t num_centroids) {
  return num_centroids / 128 + 1;
}

/// Adds one vector to v sums of weight * x, one of the weights, one of weight * |x - c|^2.
template <std::size_t V>
inline void add_row(const float* row, const float* centroid, double* sums) {
  const double w = row[V];
  float squares = 0;
  for (std::size_t t = 0; t < V; ++t) {
    const float d = row[t] - centroid[t];
    squares += d * d;
    sums[t] += w * static_cast<double>(row[t]);
  }
  sums[V] += w;
  sums[V + 1] += w * static_cast<double>(squares);
}

template <std::size_t V>
void store(const double* from, std::size_t c, CentroidSums& sums) {
  std::copy_n(from, V, sums.weighted.data() + c * V);
  sums.weight[c] = from[V];
  sums.inertia[c] = from[V + 1];
}

template <std::size_t V>
void sum_chunk(const Partition& partition, Tile tile, const float* centroids, double* sums) {
  for (std::size_t i = tile.begin; i < tile.end; ++i) {
    const std::size_t c = partition.index[i];
    add_row<V>(partition.rows.data() + i * (V + 1), centroids + c * V, sums + c * (V + 2));
  }
}

template <std::size_t V>
void sum_group(const Partition& partition, std::span<const std::uint32_t> members,
               const float* centroid, std::size_t c, CentroidSums& sums) {
  std::array<double, V + 2> total{};
  const float* rows = partition.rows.data();
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (m + kRowsAhead < members.size()) {
      __builtin_prefetch(rows + members[m + kRowsAhead] * (V + 1));
    }
    add_row<V>(rows + members[m] * (V + 1), centroid, total.data());
  }
  store<V>(total.data(), c, sums);
}

/// weight_i |x_i - c|^2 of every vector.
std::vector<double> contributions(const Partition& partition, const Matrix<float>& centroids) {
  std::vector<double> contribution(partition.size());
  for (std::size_t i = 0; i < partition.size(); ++i) {
    const float* centroid = centroids.data() + partition.index[i] * centroids.cols();
    double squares = 0;
    for (std::size_t t = 0; t < centroids.cols(); ++t) {
      const double d = static_cast<double>(partition.row(i)[t]) - static_cast<double>(centroid[t]);
      squares += d * d;
    }
    contribution[i] = squares * partition.weight(i);
  }
  return contribution;
}

/// The first @p count vectors by falling contribution, then by rising number; none that contributes
/// nothing.
std::vector<std::uint32_t> largest(const Partition& partition,
                                   const std::vector<double>& contribution, std::size_t count) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < contribution.size(); ++i) {
    if (contribution[i] > 0) order.push_back(i);
  }
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::uint32_t a, std::uint32_t b) {
                      if (contribution[a] != contribution[b]) {
                        return contribution[a] > contribution[b];
                      }
                      return partition.original[a] < partition.original[b];
                    });
  order.resize(count);
  return order;
}

}  // namespace

double CentroidSums::total_inertia() const {
  double total = 0;
  for (const double part : inertia) total += part;
  return total;
}

void sum_by_chunks(Threads& threads, const Partition& partition, const CentroidTable& table,
                   CentroidSums& sums) {
  const std::size_t n = partition.size();
  const std::size_t k = table.count();
  const std::size_t extent = std::max(kVectorsPerChunk, n / 16 + 1);  // bounds the partial sums
  const std::size_t num_chunks = num_tiles(n, extent);
  with_vector_len(table.vector_len(), [&](auto v) {
    Matrix<double> partial(num_chunks, k * (v + 2));
    threads.for_each(num_chunks, [&](std::size_t chunk) {
      sum_chunk<v>(partition, tile_at(chunk, extent, n), table.centroids().data,
                   partial.row(chunk));
    });
    for (std::size_t chunk = 1; chunk < num_chunks; ++chunk) {
      const double* from = partial.row(chunk);
      double* to = partial.row(0);
      for (std::size_t e = 0; e < partial.cols(); ++e) to[e] += from[e];
    }
    for (std::size_t c = 0; c < k; ++c) store<v>(partial.row(0) + c * (v + 2), c, sums);
  });
}

void sum_by_groups(Threads& threads, const Partition& partition, const Groups& groups,
                   const CentroidTable& table, CentroidSums& sums) {
  const std::size_t k = groups.count();
  const std::size_t extent = centroids_per_task(k);
  with_vector_len(table.vector_len(), [&](auto v) {
    threads.for_each(num_tiles(k, extent), [&](std::size_t task) {
      const Tile tile = tile_at(task, extent, k);
      for (std::size_t c = tile.begin; c < tile.end; ++c) {
        sum_group<v>(partition, groups.members(c), table.centroids().row(c), c, sums);
      }
    });
  });
}

void move_centroids(const Partition& partition, const CentroidSums& sums,
                    Matrix<float>& centroids) {
  std::vector<std::size_t> idle;
  for (std::size_t c = 0; c < centroids.rows(); ++c) {
    if (!(sums.weight[c] > 0)) idle.push_back(c);
  }
  std::vector<std::uint32_t> targets;
  if (!idle.empty()) {
    targets = largest(partition, contributions(partition, centroids), idle.size());
  }
  for (std::size_t c = 0; c < centroids.rows(); ++c) {
    if (!(sums.weight[c] > 0)) continue;
    for (std::size_t t = 0; t < centroids.cols(); ++t) {
      centroids(c, t) = static_cast<float>(sums.weighted(c, t) / sums.weight[c]);
    }
  }
  for (std::size_t e = 0; e < targets.size(); ++e) {
    std::copy_n(partition.row(targets[e]), centroids.cols(), centroids.row(idle[e]));
  }
}

}  // namespace tessera::linalg
