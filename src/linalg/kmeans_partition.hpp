#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "linalg/nearest_centroid.hpp"

// What k-means works on between two iterations. Internal to kmeans.
namespace tessera::linalg {

/// The vectors one after another, each followed by its weight, and the centroid each belongs to.
/// Planes suit a search of all vectors; rows suit whatever visits the vectors of one centroid: a
/// vector is one cache line.
struct Partition {
  Matrix<float> rows;                   // (n, v + 1)
  std::vector<std::uint32_t> index;     // (n): centroid
  std::vector<std::uint32_t> original;  // (n): the vector's number in the caller's planes

  std::size_t size() const { return index.size(); }
  std::size_t vector_len() const { return rows.cols() - 1; }
  const float* row(std::size_t i) const { return rows.data() + i * rows.cols(); }
  float weight(std::size_t i) const { return row(i)[vector_len()]; }
};
Partition make_partition(Threads& threads, Planes x, std::span<const float> weights);

/// The vectors of centroid c are order[begin[c]] ... order[begin[c + 1] - 1], ascending.
struct Groups {
  std::vector<std::uint32_t> order;  // (n)
  std::vector<std::size_t> begin;    // (K + 1)

  std::size_t count() const { return begin.size() - 1; }
  std::span<const std::uint32_t> members(std::size_t c) const {
    return {order.data() + begin[c], begin[c + 1] - begin[c]};
  }
};

/// A counting sort over chunks of fixed extent.
void group_by_centroid(Threads& threads, const Partition& partition, std::size_t num_centroids,
                       Groups& groups);

/// Stores the vectors in the order of their groups, so that those of one centroid are neighbours in
/// memory.
void store_by_group(Threads& threads, Partition& partition, Groups& groups);

/// Every vector to its nearest centroid, by search of all of them. Returns whether an index
/// changed.
/// @pre the partition is in the order of the planes
bool assign_all(Threads& threads, Planes x, const CentroidTable& table, Partition& partition);

/// The same indices as assign_all's, found among the neighbours of each vector's present centroid
/// (kmeans_neighbours.cpp). @pre groups are those of the partition
bool assign_among_neighbours(Threads& threads, const Groups& groups, const CentroidTable& table,
                             Partition& partition);

/// Sums over the vectors of each centroid, in fp64.
struct CentroidSums {
  Matrix<double> weighted;      // (K, v): sum_i weight_i x_i
  std::vector<double> weight;   // (K): sum_i weight_i
  std::vector<double> inertia;  // (K): sum_i weight_i |x_i - c|^2

  CentroidSums(std::size_t num_centroids, std::size_t vector_len)
      : weighted(num_centroids, vector_len), weight(num_centroids), inertia(num_centroids) {}
  double total_inertia() const;
};

/// In the order of storage, by chunks of fixed extent whose sums are added in order: for few
/// centroids.
void sum_by_chunks(Threads& threads, const Partition& partition, const CentroidTable& table,
                   CentroidSums& sums);
/// Group by group: for many centroids.
void sum_by_groups(Threads& threads, const Partition& partition, const Groups& groups,
                   const CentroidTable& table, CentroidSums& sums);

/// Moves every centroid to the mean of its vectors. Those without weight move to the vectors that
/// contribute most to the inertia (ties to the caller's lower number); none moves to a vector that
/// contributes nothing.
void move_centroids(const Partition& partition, const CentroidSums& sums, Matrix<float>& centroids);

}  // namespace tessera::linalg
