#include "linalg/kmeans.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

using testing::ElementsAre;

KmeansSettings iterations(int count) {
  KmeansSettings settings;
  settings.max_iterations = count;
  settings.tolerance = 0;
  return settings;
}

std::vector<float> random_weights(std::size_t n, std::uint64_t seed) {
  const CounterRandom random(seed, "weights", "test");
  std::vector<float> weights(n);
  for (std::size_t i = 0; i < n; ++i) weights[i] = static_cast<float>(random.uniform(i));
  return weights;
}

/// The first vectors as centroids.
Matrix<float> first_vectors(Planes x, std::size_t count) {
  Matrix<float> centroids(count, x.rows);
  for (std::size_t c = 0; c < count; ++c) {
    for (std::size_t t = 0; t < x.rows; ++t) centroids(c, t) = x(t, c);
  }
  return centroids;
}

Matrix<float> planes(std::initializer_list<float> values) {
  Matrix<float> x(1, values.size());
  std::copy(values.begin(), values.end(), x.data());
  return x;
}

std::vector<float> values_of(const Matrix<float>& m) {
  return {m.span().begin(), m.span().end()};
}

TEST(Kmeans, OneVectorIsItsOwnCentroid) {
  Threads threads(1);
  const auto x = planes({3});
  KmeansSettings settings;
  settings.num_centroids = 1;
  const auto result = kmeans(threads, x, std::vector<float>{2}, settings, {1, "layer", "kmeans"});
  EXPECT_THAT(values_of(result.centroids), ElementsAre(3));
  EXPECT_EQ(result.inertia, 0);
}

TEST(Kmeans, WorkedByHand) {
  // From 0 and 2, the weighted means settle at (0 + 3 * 1) / 4 and at 10 with nothing between.
  Threads threads(2);
  const auto x = planes({0, 1, 10});
  const auto start = planes({0, 2});
  Matrix<float> centroids(2, 1);
  std::copy_n(start.data(), 2, centroids.data());
  const auto result =
      kmeans_from(threads, x, std::vector<float>{1, 3, 1}, iterations(20), centroids);
  EXPECT_THAT(values_of(result.centroids), ElementsAre(0.75F, 10));
  EXPECT_THAT(result.index, ElementsAre(0, 0, 1));
  EXPECT_DOUBLE_EQ(result.inertia, 0.75 * 0.75 + 3 * 0.25 * 0.25);
}

TEST(Kmeans, AsManyCentroidsAsVectorsTakesThemAll) {
  Threads threads(2);
  const auto x = test::random_matrix(3, 37, 1);
  KmeansSettings settings = iterations(5);
  settings.num_centroids = 37;
  const auto result = kmeans(threads, x, random_weights(37, 2), settings, {1, "l", "kmeans"});
  EXPECT_EQ(result.inertia, 0);
  EXPECT_EQ(std::set<std::uint32_t>(result.index.begin(), result.index.end()).size(), 37U);
}

TEST(Kmeans, EqualVectorsLeaveTheSpareCentroidsWhereTheyAre) {
  Threads threads(2);
  const auto x = planes({5, 5, 5, 5, 5});
  KmeansSettings settings;
  settings.num_centroids = 3;
  const auto result = kmeans(threads, x, std::vector<float>(5, 1), settings, {1, "l", "kmeans"});
  EXPECT_EQ(result.inertia, 0);
  EXPECT_THAT(values_of(result.centroids), ElementsAre(5, 5, 5));
  EXPECT_THAT(result.index, ElementsAre(0, 0, 0, 0, 0));
}

TEST(Kmeans, VectorsWithoutWeightAreAssignedAndMoveNothing) {
  Threads threads(1);
  const auto x = planes({0, 2, 100, 101});
  Matrix<float> start(2, 1);
  start(1, 0) = 3;
  const auto result = kmeans_from(threads, x, std::vector<float>{1, 1, 0, 0}, iterations(9), start);
  EXPECT_THAT(values_of(result.centroids), ElementsAre(0, 2));
  EXPECT_THAT(result.index, ElementsAre(0, 1, 1, 1));
  EXPECT_EQ(result.inertia, 0);
}

TEST(Kmeans, NoWeightAtAllMovesNothing) {
  Threads threads(2);
  const auto x = test::random_matrix(2, 50, 1);
  KmeansSettings settings;
  settings.num_centroids = 7;
  const auto result = kmeans(threads, x, std::vector<float>(50, 0), settings, {1, "l", "kmeans"});
  EXPECT_EQ(result.inertia, 0);
  EXPECT_LT(*std::max_element(result.index.begin(), result.index.end()), 7U);
}

TEST(Kmeans, AnIdleCentroidMovesToTheLargestContribution) {
  // Both far centroids lose everything to the one at 0; vectors 9 (81) and 2 times 6 (72)
  // contribute most.
  Threads threads(1);
  const auto x = planes({0, 1, 9, 6});
  Matrix<float> start(3, 1);
  start(1, 0) = 1000;
  start(2, 0) = 2000;
  const auto result = kmeans_from(threads, x, std::vector<float>{1, 1, 1, 2}, iterations(1), start);
  EXPECT_THAT(values_of(result.centroids), ElementsAre(22.0F / 5, 9, 6));
}

TEST(Kmeans, FollowsTheReference) {
  Threads threads(2);
  const std::vector<std::tuple<std::size_t, std::size_t, std::size_t>> sizes = {
      {1, 100, 7},  {2, 333, 16}, {3, 1000, 17},  {4, 2500, 33},
      {7, 999, 64}, {16, 700, 5}, {4, 2500, 1100}};
  for (const auto& [v, n, k] : sizes) {
    const auto x = test::random_matrix(v, n, n);
    const auto weights = random_weights(n, 3);
    const auto start = first_vectors(x, k);
    const auto result = kmeans_from(threads, x, weights, iterations(6), start);
    const auto oracle = kmeans_reference(x, weights, iterations(6), start);
    EXPECT_EQ(result.num_iterations, oracle.num_iterations);
    // Rounding may send a vector on the border the other way, which changes the inertia by the
    // rounding alone.
    EXPECT_NEAR(result.inertia, oracle.inertia, 1e-5 * oracle.inertia)
        << v << ", " << n << ", " << k;
  }
}

TEST(Kmeans, InertiaAndIndexBelongToTheCentroids) {
  Threads threads(2);
  const auto x = test::random_matrix(4, 9001, 5);
  const auto weights = random_weights(9001, 6);
  for (const std::size_t k : {19, 1500}) {
    for (const int count : {0, 1, 4, 200}) {
      const auto result = kmeans_from(threads, x, weights, iterations(count), first_vectors(x, k));
      EXPECT_LE(result.num_iterations, count);
      std::vector<std::uint32_t> index(x.cols());
      nearest_centroid(x, CentroidTable(result.centroids), index);
      EXPECT_EQ(result.index, index);
      double inertia = 0;
      for (std::size_t i = 0; i < index.size(); ++i) {
        for (std::size_t t = 0; t < 4; ++t) {
          const double d = static_cast<double>(x(t, i)) - result.centroids(index[i], t);
          inertia += weights[i] * d * d;
        }
      }
      // Squared distances are taken in fp32: v + 1 roundings each.
      EXPECT_NEAR(result.inertia, inertia, 5 * 0x1.0p-23 * inertia);
    }
  }
}

TEST(Kmeans, SameBytesForAnyNumberOfThreads) {
  for (const auto& [n, k] : {std::pair<std::size_t, std::size_t>{40001, 64}, {20000, 2049}}) {
    const auto x = test::random_matrix(4, n, 5);
    const auto weights = random_weights(n, 6);
    KmeansSettings settings = iterations(8);
    settings.num_centroids = k;
    std::vector<KmeansResult> results;
    for (const std::size_t count : {1, 2, 3}) {
      Threads threads(count);
      results.push_back(kmeans(threads, x, weights, settings, {7, "layer", "kmeans"}));
    }
    for (const auto& result : results) {
      EXPECT_EQ(values_of(result.centroids), values_of(results[0].centroids));
      EXPECT_EQ(result.index, results[0].index);
      EXPECT_EQ(result.inertia, results[0].inertia);
    }
  }
}

TEST(Kmeans, StopsWhenTheInertiaHardlyFalls) {
  Threads threads(1);
  const auto x = test::random_matrix(2, 2000, 5);
  const std::vector<float> weights(2000, 1);
  KmeansSettings settings;
  settings.max_iterations = 1000;
  settings.tolerance = 0.01;
  const auto rough = kmeans_from(threads, x, weights, settings, first_vectors(x, 32));
  settings.tolerance = 1e-5;
  const auto fine = kmeans_from(threads, x, weights, settings, first_vectors(x, 32));
  EXPECT_LT(rough.num_iterations, fine.num_iterations);
  EXPECT_LT(fine.num_iterations, 1000);
  EXPECT_LT(fine.inertia, rough.inertia);
}

TEST(Kmeans, RefusesMoreCentroidsThanVectors) {
  Threads threads(1);
  const auto x = planes({1, 2});
  KmeansSettings settings;
  settings.num_centroids = 3;
  EXPECT_THROW(kmeans(threads, x, std::vector<float>{1, 1}, settings, {1, "l", "k"}), Bug);
  EXPECT_THROW(kmeans_from(threads, x, std::vector<float>{1}, settings, x.view().block(0, 0, 1, 1)),
               Bug);
}

TEST(SeedCentroids, FindsWellSeparatedClusters) {
  // 20 clusters a thousand times as far apart as they are wide: D^2 sampling hits each one.
  Threads threads(2);
  const std::size_t n = 20000;
  auto x = test::random_matrix(2, n, 5);
  for (std::size_t i = 0; i < n; ++i) x(0, i) += 1000.0F * static_cast<float>(i % 20);
  const auto seeds = seed_centroids(threads, x, std::vector<float>(n, 1), 20, {1, "l", "kmeans"});
  std::set<long> found;
  for (std::size_t c = 0; c < 20; ++c) found.insert(std::lround(seeds(c, 0) / 1000));
  EXPECT_EQ(found.size(), 20U);
}

TEST(SeedCentroids, NeverTakesAVectorWithoutWeightWhileThereIsAnother) {
  Threads threads(2);
  const auto x = test::random_matrix(1, 100, 5);
  std::vector<float> weights(100, 0);
  for (const std::size_t i : {3, 50, 99}) weights[i] = 1e-20F;
  const auto seeds = seed_centroids(threads, x, weights, 3, {1, "l", "kmeans"});
  EXPECT_THAT(values_of(seeds), testing::UnorderedElementsAre(x(0, 3), x(0, 50), x(0, 99)));
}

}  // namespace
}  // namespace tessera::linalg
