#include "linalg/nearest_centroid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

using testing::ElementsAre;

std::vector<std::uint32_t> search(Planes x, const CentroidTable& table) {
  std::vector<std::uint32_t> index(x.cols, 0xFFFFFFFF);
  nearest_centroid(x, table, index);
  return index;
}

double squared_distance(Planes x, std::size_t i, const CentroidTable& table, std::size_t c) {
  double sum = 0;
  for (std::size_t t = 0; t < x.rows; ++t) {
    const double d = static_cast<double>(x(t, i)) - table.centroids()(c, t);
    sum += d * d;
  }
  return sum;
}

/// What rounding may do to a difference of two squared distances: each score has v + 1 roundings of
/// terms that are no larger than the square of the largest norm.
double tolerance(Planes x, const CentroidTable& table) {
  double largest = 0;
  for (std::size_t t = 0; t < x.rows; ++t) {
    for (std::size_t i = 0; i < x.cols; ++i) largest = std::max(largest, std::abs(double{x(t, i)}));
  }
  for (const float c : MatrixView<const float>(table.centroids()).row_span(0))
    largest = std::max(largest, std::abs(double{c}));
  const double norm = 16 * largest * largest * static_cast<double>(x.rows);
  return norm * static_cast<double>(x.rows + 2) * std::numeric_limits<float>::epsilon();
}

TEST(NearestCentroid, OneOfOne) {
  Matrix<float> x(1, 1);
  Matrix<float> c(1, 1);
  EXPECT_THAT(search(x, CentroidTable(c)), ElementsAre(0));
}

TEST(NearestCentroid, NoVectors) {
  const Matrix<float> c(3, 2);
  EXPECT_TRUE(search(Planes(nullptr, 2, 0), CentroidTable(c)).empty());
}

TEST(NearestCentroid, EqualScoresGoToTheLowestIndex) {
  // Centroids 0, 5, 10, ... are equal, and so are all of another residue: within a block and across
  // blocks.
  for (const std::size_t k : {5, 6, 16, 17, 33, 100}) {
    Matrix<float> c(k, 3);
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t t = 0; t < 3; ++t) c(i, t) = static_cast<float>(i % 5);
    }
    Matrix<float> x(3, 5);
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t i = 0; i < 5; ++i) x(t, i) = static_cast<float>(4 - i);
    }
    EXPECT_THAT(search(x, CentroidTable(c)), ElementsAre(4, 3, 2, 1, 0)) << k;
  }
}

TEST(NearestCentroid, HalfNormsAreThoseOfTheCentroids) {
  Matrix<float> c(2, 2);
  c(0, 0) = 3;
  c(0, 1) = 4;
  EXPECT_THAT(CentroidTable(c).half_norms(), ElementsAre(12.5F, 0.0F));
}

TEST(NearestCentroid, AsNearAsTheReferenceForEveryShape) {
  for (std::size_t v = 1; v <= kMaxVectorLen; ++v) {
    for (const std::size_t k : {1, 2, 15, 16, 17, 257}) {
      const CentroidTable table(test::random_matrix(k, v, k));
      for (const std::size_t n : {1, 15, 16, 17, 64, 130}) {
        const auto x = test::random_matrix(v, n, n);
        const auto index = search(x, table);
        std::vector<std::uint32_t> oracle(n);
        nearest_centroid_reference(x, table, oracle);
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_LT(index[i], k);
          ASSERT_NEAR(squared_distance(x, i, table, index[i]),
                      squared_distance(x, i, table, oracle[i]), tolerance(x, table));
        }
      }
    }
  }
}

TEST(NearestCentroid, AnIndexDependsOnItsVectorAlone) {
  const CentroidTable table(test::random_matrix(300, 4, 1));
  const auto x = test::random_matrix(4, 203, 2);
  const auto together = search(x, table);
  for (std::size_t i = 0; i < 203; ++i) {
    EXPECT_EQ(search(x.view().block(0, i, 4, 1), table)[0], together[i]);
  }
}

TEST(NearestCentroid, StaysInRangeWithInfinitiesAndNans) {
  auto c = test::random_matrix(21, 2, 1);
  c(20, 0) = std::numeric_limits<float>::infinity();
  c(3, 1) = 3e38F;  // its square overflows
  auto x = test::random_matrix(2, 40, 2);
  x(0, 5) = std::numeric_limits<float>::quiet_NaN();
  x(1, 6) = std::numeric_limits<float>::infinity();
  x(1, 7) = -3e38F;
  for (const std::uint32_t i : search(x, CentroidTable(c))) EXPECT_LT(i, 21U);
  Matrix<std::uint32_t> index(21, 40);
  nearest_centroids(x, CentroidTable(c), index);
  for (const std::uint32_t i : index.span()) EXPECT_LT(i, 21U);
}

TEST(NearestCentroid, RefusesShapesThatDoNotFit) {
  const CentroidTable table(test::random_matrix(3, 2, 1));
  const auto x = test::random_matrix(3, 4, 1);
  std::vector<std::uint32_t> index(4);
  EXPECT_THROW(nearest_centroid(x, table, index), Bug);
  EXPECT_THROW(nearest_centroid(x.view().middle_rows(0, 2), table, std::span(index).first(3)), Bug);
  EXPECT_THROW(CentroidTable(Matrix<float>(0, 2)), Bug);
  EXPECT_THROW(CentroidTable(Matrix<float>(1, 17)), Bug);
  Matrix<std::uint32_t> several(4, 4);
  EXPECT_THROW(nearest_centroids(x.view().middle_rows(0, 2), table, several), Bug);
}

TEST(NearestCentroids, SortedByScoreThenByIndex) {
  for (const std::size_t v : {1, 4, 6, 8, 16}) {
    for (const std::size_t k : {1, 5, 16, 40, 256, 1000}) {
      auto c = test::random_matrix(k, v, k);
      for (std::size_t t = 0; t < v; ++t) c(k / 2, t) = c(k - 1, t);  // a tie
      const CentroidTable table(c);
      const auto x = test::random_matrix(v, 37, 3);
      for (const std::size_t num : {1, 2, 8, 64}) {
        if (num > k) continue;
        Matrix<std::uint32_t> index(num, 37);
        nearest_centroids(x, table, index);
        for (std::size_t i = 0; i < 37; ++i) {
          std::vector<std::uint32_t> all(k);
          std::iota(all.begin(), all.end(), 0U);
          std::stable_sort(all.begin(), all.end(), [&](auto a, auto b) {
            return squared_distance(x, i, table, a) < squared_distance(x, i, table, b);
          });
          std::vector<std::uint32_t> found;
          for (std::size_t r = 0; r < num; ++r) {
            found.push_back(index(r, i));
            ASSERT_NEAR(squared_distance(x, i, table, index(r, i)),
                        squared_distance(x, i, table, all[r]), tolerance(x, table));
          }
          std::sort(found.begin(), found.end());
          EXPECT_EQ(std::adjacent_find(found.begin(), found.end()), found.end());
        }
      }
    }
  }
}

TEST(NearestCentroids, TheFirstIsTheNearest) {
  const CentroidTable table(test::random_matrix(256, 4, 1));
  const auto x = test::random_matrix(4, 1000, 2);
  Matrix<std::uint32_t> index(8, 1000);
  nearest_centroids(x, table, index);
  const auto nearest = search(x, table);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(index(0, i), nearest[i]);
}

}  // namespace
}  // namespace tessera::linalg
