#include "forward/attention.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::forward {
namespace {

/// softmax(q k^T / sqrt(d)) v of one query in double precision.
std::vector<double> exact(const Matrix<float>& q, const Matrix<float>& k, const Matrix<float>& v,
                          std::size_t query, std::size_t window) {
  std::vector<double> out(q.cols()), weights;
  const std::size_t begin = query + 1 > window ? query + 1 - window : 0;
  double best = -1e300, total = 0;
  for (std::size_t t = begin; t <= query; ++t) {
    double score = 0;
    for (std::size_t i = 0; i < q.cols(); ++i) score += double{q(query, i)} * double{k(t, i)};
    weights.push_back(score / std::sqrt(static_cast<double>(q.cols())));
    best = std::max(best, weights.back());
  }
  for (double& weight : weights) total += weight = std::exp(weight - best);
  for (std::size_t t = begin; t <= query; ++t) {
    for (std::size_t i = 0; i < q.cols(); ++i) {
      out[i] += weights[t - begin] / total * double{v(t, i)};
    }
  }
  return out;
}

TEST(Attention, TilesAndWindowsOfAllSizes) {
  const std::size_t length = 300, dim = 5;
  const Matrix<float> k = test::random_matrix(length, dim, 2),
                      v = test::random_matrix(length, dim, 3);
  Matrix<float> scores(256, kKeyTile), weighted(256, dim);
  for (const std::size_t window : {1, 2, 100, 128, 129, 299, 1000}) {
    for (const std::size_t tile : {1, 37, 256}) {
      const Matrix<float> q = test::random_matrix(length, dim, 1);
      Matrix<float> out = q.copy();
      for (float& value : scores.span()) value = NAN;  // scratch may hold anything
      for (float& value : weighted.span()) value = NAN;
      for (std::size_t first = 0; first < length; first += tile) {
        attend({out, k, v, window}, first, std::min(tile, length - first), scores, weighted);
      }
      for (std::size_t t = 0; t < length; ++t) {
        const auto expected = exact(q, k, v, t, window);
        for (std::size_t i = 0; i < dim; ++i) {
          ASSERT_NEAR(out(t, i), expected[i], 5e-6) << "window " << window << ", query " << t;
        }
      }
    }
  }
}

TEST(Attention, QueriesMayStandAtTheEndOfTheKeys) {
  const std::size_t length = 300, dim = 5;
  const Matrix<float> q = test::random_matrix(length, dim, 1),
                      k = test::random_matrix(length, dim, 2),
                      v = test::random_matrix(length, dim, 3);
  Matrix<float> scores(256, kKeyTile), weighted(256, dim);
  for (const std::size_t window : {1, 100, 1000}) {
    for (const std::size_t start : {1, 127, 128, 299}) {
      Matrix<float> out = q.copy();
      const auto queries = out.view().middle_rows(start, length - start);
      for (std::size_t first = 0; first < queries.rows; first += 50) {
        attend({queries, k, v, window, start}, first,
               std::min<std::size_t>(50, queries.rows - first), scores, weighted);
      }
      for (std::size_t t = start; t < length; ++t) {
        const auto expected = exact(q, k, v, t, window);
        for (std::size_t i = 0; i < dim; ++i) {
          ASSERT_NEAR(out(t, i), expected[i], 5e-6) << "window " << window << ", query " << t;
        }
      }
    }
  }
}

TEST(Attention, AGrowingMaximumRescalesWhatCameBefore) {
  const std::size_t length = 3 * kKeyTile, dim = 1;
  Matrix<float> q(length, dim), k(length, dim), v(length, dim);
  for (std::size_t t = 0; t < length; ++t) {
    q(t, 0) = 1;
    k(t, 0) = static_cast<float>(t);  // the newest key always wins, by a factor e
    v(t, 0) = static_cast<float>(t);
  }
  Matrix<float> scores(length, kKeyTile), weighted(length, dim);
  attend({q, k, v, std::nullopt}, 0, length, scores, weighted);
  EXPECT_EQ(q(0, 0), 0);
  const double share = std::exp(-1.0);
  for (const std::size_t t : {kKeyTile - 1, kKeyTile, length - 1}) {
    EXPECT_NEAR(q(t, 0), static_cast<double>(t) - share / (1 - share), 1e-3) << t;
  }
}

}  // namespace
}  // namespace tessera::forward
