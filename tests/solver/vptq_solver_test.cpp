#include "solver/vptq/vptq_solver.hpp"

#include <cmath>
#include <cstring>

#include <gmock/gmock.h>

#include "tests/solver/solver_fixtures.hpp"

namespace tessera::solver {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

VptqResult solve(std::size_t rows, std::size_t cols, const VptqSettings& settings,
                 std::size_t num_threads = 1) {
  Threads threads(num_threads);
  const auto weight = test::random_matrix(rows, cols, 1);
  const auto hessian = test::random_hessian(cols, 4 * cols, 2);
  return solve_vptq(threads, {"layer", weight, hessian}, settings, 0.01, StoredType::float16);
}

template <class T>
bool same_bytes(const Matrix<T>& a, const Matrix<T>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

TEST(VptqSolver, AwkwardShapesGiveCompleteFiniteLayers) {
  for (const auto& [rows, cols, v] :
       {std::tuple{1, 1, 1}, {3, 2, 4}, {5, 7, 4}, {50, 33, 6}, {64, 64, 16}, {129, 65, 7}}) {
    const auto result = solve(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols),
                              small_settings(v, 16, 4));
    const auto values = dequantize(result.layer);
    ASSERT_EQ(values.rows(), rows);
    ASSERT_EQ(values.cols(), cols);
    for (const float value : values.span()) EXPECT_TRUE(std::isfinite(value));
    EXPECT_LT(result.report.proxy_error, 1) << rows << " x " << cols << " v " << v;
  }
}

TEST(VptqSolver, SameBytesForEveryNumberOfThreads) {
  auto settings = small_settings(4, 32, 8);
  settings.outlier_percent = 5;
  settings.num_outlier_centroids = 16;
  settings.num_groups = 2;
  const auto one = solve(300, 90, settings, 1);
  for (const std::size_t threads : {2, 3, 5}) {
    const auto many = solve(300, 90, settings, threads);
    EXPECT_TRUE(same_bytes(one.layer.centroids, many.layer.centroids)) << threads;
    EXPECT_TRUE(same_bytes(one.layer.res_centroids, many.layer.res_centroids)) << threads;
    EXPECT_TRUE(same_bytes(one.layer.outlier_index, many.layer.outlier_index)) << threads;
    EXPECT_TRUE(same_bytes(one.layer.index, many.layer.index)) << threads;
    EXPECT_TRUE(same_bytes(one.layer.res_index, many.layer.res_index)) << threads;
    EXPECT_EQ(one.report.proxy_error, many.report.proxy_error) << threads;
  }
}

// Trap 15: what is measured is what the file will hold.
TEST(VptqSolver, Trap15CodebooksAndNormsAreOfTheStoredType) {
  const auto layer = solve(64, 40, small_settings(4, 16, 4)).layer;
  for (const float value : layer.centroids.span())
    EXPECT_EQ(value, rounded_to(StoredType::float16, value));
  for (const float value : layer.res_centroids.span())
    EXPECT_EQ(value, rounded_to(StoredType::float16, value));
  for (const float value : layer.scale) EXPECT_EQ(value, rounded_to(StoredType::float16, value));
}

// Trap 14: the proxy error is that of the stored weights under the Hessian as it came.
TEST(VptqSolver, Trap14ProxyErrorIsThatOfTheDequantizedWeights) {
  const auto result = solve(40, 30, small_settings(4, 16));
  const auto weight = test::random_matrix(40, 30, 1);
  const auto hessian = test::random_hessian(30, 120, 2);
  const auto values = dequantize(result.layer);
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    for (std::size_t j = 0; j < 30; ++j) {
      for (std::size_t k = 0; k < 30; ++k) {
        error += (double(weight(i, j)) - values(i, j)) * hessian(j, k) *
                 (double(weight(i, k)) - values(i, k));
        norm += double(weight(i, j)) * hessian(j, k) * weight(i, k);
      }
    }
  }
  EXPECT_NEAR(result.report.proxy_error, error / norm, 1e-4 * error / norm);
}

TEST(VptqSolver, NormalizationWithItsHessianBeatsNone) {
  Threads threads(1);
  auto weight = test::random_matrix(128, 64, 1);
  for (std::size_t i = 0; i < 128; ++i) {
    for (std::size_t j = 0; j < 64; ++j)
      weight(i, j) *= std::exp2(static_cast<float>(j % 7));  // columns of unlike spread
  }
  const auto hessian = test::random_hessian(64, 256, 2);
  auto settings = small_settings(4, 16);
  const auto with =
      solve_vptq(threads, {"layer", weight, hessian}, settings, 0.01, StoredType::float16);
  settings.normalize = Normalization::none;
  const auto without =
      solve_vptq(threads, {"layer", weight, hessian}, settings, 0.01, StoredType::float16);
  EXPECT_LT(with.report.proxy_error, without.report.proxy_error);
}

TEST(VptqSolver, OutliersAndResidualsEachLowerTheError) {
  const double plain = solve(128, 64, small_settings(4, 16)).report.proxy_error;
  auto settings = small_settings(4, 16);
  settings.outlier_percent = 10;
  settings.num_outlier_centroids = 256;
  settings.outlier_vector_len = 2;
  EXPECT_LT(solve(128, 64, settings).report.proxy_error, plain);
  EXPECT_LT(solve(128, 64, small_settings(4, 16, 16)).report.proxy_error, 0.5 * plain);
}

TEST(VptqSolver, DegenerateLayersAreHandledAndReported) {
  Threads threads(1);
  Matrix<float> weight = test::random_matrix(32, 16, 1);
  Matrix<double> hessian = test::random_hessian(16, 64, 2);
  for (std::size_t i = 0; i < 32; ++i) weight(i, 3) = 0.25f;               // a constant column
  for (std::size_t j = 0; j < 16; ++j) hessian(5, j) = hessian(j, 5) = 0;  // an input nobody saw
  const auto result = solve_vptq(threads, {"layer", weight, hessian}, small_settings(4, 16), 0.01,
                                 StoredType::float16);
  EXPECT_EQ(result.report.num_dead_columns, 1);
  EXPECT_THAT(result.report.remarks, Contains(HasSubstr("1 of 16 columns saw no input")));
  EXPECT_THAT(result.report.remarks, Contains(HasSubstr("1 columns are constant")));
  const auto values = dequantize(result.layer);
  for (const float value : values.span()) EXPECT_TRUE(std::isfinite(value));
}

TEST(VptqSolver, AZeroLayerStaysZero) {
  Threads threads(1);
  const Matrix<float> weight(16, 8);
  const Matrix<double> hessian(8, 8);
  const auto result = solve_vptq(threads, {"layer", weight, hessian}, small_settings(4, 16), 0.01,
                                 StoredType::float16);
  const auto values = dequantize(result.layer);
  for (const float value : values.span()) EXPECT_EQ(value, 0);
  EXPECT_EQ(result.report.proxy_error, 0);
}

}  // namespace
}  // namespace tessera::solver
