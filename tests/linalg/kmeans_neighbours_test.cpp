#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "linalg/kmeans_partition.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

/// Assigns from the given indices, right or wrong, and expects the very indices of a search of all
/// centroids.
void expect_exact(Planes x, const CentroidTable& table, const std::vector<std::uint32_t>& from,
                  const std::string& what) {
  Threads threads(2);
  auto partition = make_partition(threads, x, std::vector<float>(x.cols, 1));
  partition.index = from;
  Groups groups;
  group_by_centroid(threads, partition, table.count(), groups);
  std::vector<std::uint32_t> expected(x.cols);
  nearest_centroid(x, table, expected);
  EXPECT_EQ(assign_among_neighbours(threads, groups, table, partition), from != expected) << what;
  EXPECT_EQ(partition.index, expected) << what;

  group_by_centroid(threads, partition, table.count(), groups);
  EXPECT_FALSE(assign_among_neighbours(threads, groups, table, partition)) << what;

  store_by_group(threads, partition, groups);
  EXPECT_FALSE(assign_among_neighbours(threads, groups, table, partition)) << what;
  for (std::size_t i = 0; i < x.cols; ++i) {
    EXPECT_EQ(partition.index[i], expected[partition.original[i]]) << what;
  }
}

std::vector<std::uint32_t> nearest(Planes x, const CentroidTable& table) {
  std::vector<std::uint32_t> index(x.cols);
  nearest_centroid(x, table, index);
  return index;
}

std::vector<std::uint32_t> any_index(std::size_t n, std::size_t num_centroids) {
  const CounterRandom random(3, "index", "test");
  std::vector<std::uint32_t> index(n);
  for (std::size_t i = 0; i < n; ++i) {
    index[i] = static_cast<std::uint32_t>(random.below(i, num_centroids));
  }
  return index;
}

Matrix<float> nudged(const Matrix<float>& m, float size) {
  const auto noise = test::random_matrix(m.rows(), m.cols(), 99);
  auto result = m.copy();
  for (std::size_t e = 0; e < m.size(); ++e) result.data()[e] += size * noise.data()[e];
  return result;
}

TEST(AssignAmongNeighbours, ExactForEveryShapeFromAnyStart) {
  for (std::size_t v = 1; v <= kMaxVectorLen; ++v) {
    for (const std::size_t k : {1, 2, 17, 300}) {
      const std::size_t n = 700 + v;
      const auto x = test::random_matrix(v, n, v);
      const auto centroids = test::random_matrix(k, v, k);
      const CentroidTable table(centroids);
      const std::string what = "v " + std::to_string(v) + ", K " + std::to_string(k);
      expect_exact(x, table, any_index(n, k), "any start, " + what);
      expect_exact(x, table, nearest(x, CentroidTable(nudged(centroids, 0.05F))), "near, " + what);
      expect_exact(x, table, std::vector<std::uint32_t>(n, 0), "all in one, " + what);
    }
  }
}

TEST(AssignAmongNeighbours, TiesGoToTheLowestIndex) {
  // On a grid most vectors are as near to several centroids, and centroids occur several times.
  auto x = test::random_matrix(3, 4000, 1);
  auto centroids = test::random_matrix(500, 3, 2);
  for (float& value : x.span()) value = std::round(value * 2);
  for (float& value : centroids.span()) value = 0.5F + std::round(value * 2);
  const CentroidTable table(centroids);
  expect_exact(x, table, any_index(4000, 500), "any start");
  expect_exact(x, table, nearest(x, CentroidTable(nudged(centroids, 0.1F))), "near");
}

TEST(AssignAmongNeighbours, ExactWhereRoundingDecides) {
  // Far from the origin scores lose most of their digits; at tiny sizes squares underflow.
  for (const float offset : {10.0F, 1000.0F, 30000.0F}) {
    auto x = test::random_matrix(4, 3000, 1);
    auto centroids = test::random_matrix(400, 4, 2);
    for (float& value : x.span()) value += offset;
    for (float& value : centroids.span()) value += offset;
    const CentroidTable table(centroids);
    expect_exact(x, table, any_index(3000, 400), "offset " + std::to_string(offset));
    expect_exact(x, table, nearest(x, CentroidTable(nudged(centroids, 0.1F))), "offset, near");
  }
  for (const float scale : {1e-18F, 1e-21F, 1e-30F, 1e15F}) {
    auto x = test::random_matrix(4, 3000, 1);
    auto centroids = test::random_matrix(400, 4, 2);
    for (float& value : x.span()) value *= scale;
    for (float& value : centroids.span()) value *= scale;
    expect_exact(x, CentroidTable(centroids), any_index(3000, 400), "scale");
  }
}

TEST(AssignAmongNeighbours, ExactWithOutliersAndALargeGroup) {
  auto x = test::random_matrix(8, 20000, 1);
  auto centroids = test::random_matrix(1500, 8, 2);
  for (std::size_t t = 0; t < 8; ++t) {
    for (std::size_t i = 0; i < x.cols(); i += 100) x(t, i) *= 50;
    for (std::size_t c = 0; c < 1500; c += 70) centroids(c, t) *= 30;
    for (std::size_t i = 5000; i < 11000; ++i) x(t, i) = 0.01F * x(t, i) + centroids(7, t);
  }
  const CentroidTable table(centroids);
  expect_exact(x, table, nearest(x, CentroidTable(nudged(centroids, 0.02F))), "near");
  expect_exact(x, table, any_index(x.cols(), 1500), "any start");
}

TEST(AssignAmongNeighbours, StaysInRangeWithInfinitiesAndNans) {
  Threads threads(1);
  auto x = test::random_matrix(2, 200, 1);
  auto centroids = test::random_matrix(50, 2, 2);
  x(0, 3) = std::numeric_limits<float>::quiet_NaN();
  x(1, 4) = std::numeric_limits<float>::infinity();
  x(1, 5) = 3e38F;
  centroids(6, 0) = 3e38F;
  centroids(7, 1) = std::numeric_limits<float>::quiet_NaN();
  auto partition = make_partition(threads, x, std::vector<float>(200, 1));
  partition.index = any_index(200, 50);
  Groups groups;
  group_by_centroid(threads, partition, 50, groups);
  assign_among_neighbours(threads, groups, CentroidTable(centroids), partition);
  for (const std::uint32_t c : partition.index) EXPECT_LT(c, 50U);
}

}  // namespace
}  // namespace tessera::linalg
