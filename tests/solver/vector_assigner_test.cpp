#include "solver/vptq/vector_assigner.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::solver {
namespace {

using ::testing::ElementsAre;

Codebook codebook_of(std::size_t v, Matrix<float> main, Matrix<float> residual) {
  Codebook codebook;
  codebook.segment.vector_len = v;
  codebook.segment.num_centroids = main.rows();
  codebook.segment.num_res_centroids = residual.rows();
  codebook.main = std::move(main);
  codebook.residual = std::move(residual);
  return codebook;
}

/// Squared distance of the best sum of a main and a residual entry.
double best_distance(const Codebook& codebook, std::span<const float> x) {
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < codebook.main.rows(); ++c) {
    for (std::size_t r = 0; r < std::max<std::size_t>(codebook.residual.rows(), 1); ++r) {
      double sum = 0;
      for (std::size_t t = 0; t < x.size(); ++t) {
        double d = static_cast<double>(x[t]) - codebook.main(c, t);
        if (codebook.has_residual()) d -= codebook.residual(r, t);
        sum += d * d;
      }
      best = std::min(best, sum);
    }
  }
  return best;
}

struct Assigned {
  std::vector<std::uint16_t> main, residual;
  std::vector<float> values;
};
Assigned assign(const VectorAssigner& assigner, std::span<const float> column, std::size_t v,
                bool has_residual) {
  const std::size_t count = (column.size() + v - 1) / v;
  Assigned a{std::vector<std::uint16_t>(count),
             std::vector<std::uint16_t>(has_residual ? count : 0),
             std::vector<float>(column.size())};
  VectorAssigner::Scratch scratch;
  assigner.assign(column, a.main, a.residual, a.values, scratch);
  return a;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t t = 0; t < a.size(); ++t) sum += std::pow(static_cast<double>(a[t]) - b[t], 2);
  return sum;
}

TEST(VectorAssigner, HandWorkedWithARaggedEnd) {
  Matrix<float> main(2, 2);
  main(0, 0) = 1, main(0, 1) = 10;
  main(1, 0) = 3, main(1, 1) = 0;
  const VectorAssigner assigner(codebook_of(2, std::move(main), {}), 1);
  // The last value stands alone: 1.5 is nearest to 1, whatever the missing coordinate would be.
  const auto a = assign(assigner, std::vector<float>{2.5f, 1, 1.5f}, 2, false);
  EXPECT_THAT(a.main, ElementsAre(1, 0));
  EXPECT_THAT(a.values, ElementsAre(3, 0, 1));
}

TEST(VectorAssigner, AllCandidatesFindTheBestSum) {
  for (const std::size_t v : {1, 3, 4, 8}) {
    for (const std::size_t count : {1, 15, 16, 17, 40}) {
      const auto codebook =
          codebook_of(v, test::random_matrix(16, v, 1), test::random_matrix(8, v, 2));
      const VectorAssigner assigner(codebook, 16);
      const auto column = test::random_matrix(1, count * v, 3);
      const auto a = assign(assigner, column.span(), v, true);
      for (std::size_t i = 0; i < count; ++i) {
        const auto x = column.span().subspan(i * v, v);
        const double best = best_distance(codebook, x);
        EXPECT_LE(distance(x, std::span(a.values).subspan(i * v, v)), best * (1 + 1e-5) + 1e-6)
            << "v " << v << " vector " << i;
      }
    }
  }
}

TEST(VectorAssigner, FewerCandidatesAreNeverBetterThanAll) {
  const auto codebook =
      codebook_of(4, test::random_matrix(64, 4, 1), test::random_matrix(16, 4, 2));
  const auto column = test::random_matrix(1, 400, 3);
  double previous = std::numeric_limits<double>::infinity();
  for (const std::size_t candidates : {1, 4, 64}) {
    const auto a = assign(VectorAssigner(codebook, candidates), column.span(), 4, true);
    const double now = distance(column.span(), a.values);
    EXPECT_LE(now, previous);
    previous = now;
  }
}

TEST(VectorAssigner, LookUpIsTheInverse) {
  const auto codebook = codebook_of(3, test::random_matrix(16, 3, 1), test::random_matrix(4, 3, 2));
  const VectorAssigner assigner(codebook, 4);
  const auto column = test::random_matrix(1, 50, 3);  // ragged: 16 vectors and 2 values
  const auto a = assign(assigner, column.span(), 3, true);
  std::vector<float> again(50);
  assigner.look_up(a.main, a.residual, again);
  EXPECT_EQ(again, a.values);
}

}  // namespace
}  // namespace tessera::solver
