#include "residual/residual_solver.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "core/dtype.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::residual {
namespace {

double squared_error(const Matrix<float>& wanted, const Matrix<float>& found,
                     std::span<const double> importance) {
  double error = 0;
  for (std::size_t i = 0; i < wanted.rows(); ++i) {
    for (std::size_t j = 0; j < wanted.cols(); ++j) {
      const double lost = static_cast<double>(wanted(i, j)) - static_cast<double>(found(i, j));
      error += (importance.empty() ? 1.0 : importance[j]) * lost * lost;
    }
  }
  return error;
}

struct Shape {
  std::size_t rows, cols;
  int bits;
};

class ResidualOfShape : public testing::TestWithParam<Shape> {};

TEST_P(ResidualOfShape, IsTheDefinitionsRowByRow) {
  const auto [rows, cols, bits] = GetParam();
  Threads threads(2);
  const Matrix<float> weight = test::random_matrix(rows, cols, 1);
  const Matrix<float> none(rows, cols);
  const ResidualLayer layer = solve_residual(threads, weight, none, {}, bits);
  ASSERT_EQ(layer.codes.rows(), cols);
  ASSERT_EQ(layer.codes.cols(), rows);
  std::vector<int> codes(cols);
  for (std::size_t i = 0; i < rows; ++i) {
    EXPECT_EQ(layer.scale[i], solve_row_reference(weight.view().row_span(i), {}, bits, codes));
    for (std::size_t j = 0; j < cols; ++j) {
      EXPECT_EQ(layer.codes(j, i) - layer.zero_code(), codes[j]) << i << ", " << j;
      EXPECT_NE(layer.codes(j, i), 0) << "the code below -P stays unused";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AwkwardShapes, ResidualOfShape,
                         testing::Values(Shape{1, 1, 4}, Shape{1, 17, 2}, Shape{17, 1, 3},
                                         Shape{33, 65, 4}, Shape{16, 48, 8}, Shape{5, 100, 3}));

TEST(ResidualSolver, GivesZerosForARowThatLostNothing) {
  Threads threads(1);
  Matrix<float> weight = test::random_matrix(3, 8, 2);
  const Matrix<float> quantized = weight.copy();
  weight(1, 3) += 0.5F;
  const ResidualLayer layer = solve_residual(threads, weight, quantized, {}, 4);
  EXPECT_EQ(layer.scale[0], 0.0F);
  EXPECT_GT(layer.scale[1], 0.0F);
  const Matrix<float> values = dequantize(layer);
  for (std::size_t j = 0; j < 8; ++j) EXPECT_EQ(values(0, j), 0.0F);
  EXPECT_NEAR(values(1, 3), 0.5F, 0.5 / 2048);  // a scale is a half
  EXPECT_NEAR(layer.column_norm[3], 0.5F, 0.5 / 1024);
  EXPECT_EQ(layer.column_norm[2], 0.0F);
}

// m / 32 is below the least half, 2^-24: those candidates are no scales.
TEST(ResidualSolver, GivesZerosNeverNanForRowsBelowTheHalves) {
  Threads threads(1);
  Matrix<float> weight(2, 4);
  weight(0, 1) = 1e-12F;
  weight(1, 2) = 7 * 0x1p-24F;
  const ResidualLayer layer = solve_residual(threads, weight, Matrix<float>(2, 4), {}, 4);
  EXPECT_EQ(layer.scale[0], 0.0F);
  EXPECT_EQ(layer.scale[1], 0x1p-24F);
  const Matrix<float> values = dequantize(layer);
  EXPECT_EQ(values(0, 1), 0.0F);
  EXPECT_EQ(values(1, 2), 7 * 0x1p-24F);
}

TEST(ResidualSolver, WeighsChannelsByTheirImportance) {
  Threads threads(1);
  const Matrix<float> weight = test::random_matrix(40, 96, 3), none(40, 96);
  std::vector<double> importance(96);
  for (std::size_t j = 0; j < 96; ++j) importance[j] = j % 7 == 0 ? 100.0 : 0.1;
  const auto plain = solve_residual(threads, weight, none, {}, 3);
  const auto weighted = solve_residual(threads, weight, none, importance, 3);
  EXPECT_LT(squared_error(weight, dequantize(weighted), importance),
            0.95 * squared_error(weight, dequantize(plain), importance));
  EXPECT_LT(squared_error(weight, dequantize(plain), {}),
            squared_error(weight, dequantize(weighted), {}));
}

TEST(ResidualSolver, StoresScalesThatAreHalves) {
  Threads threads(1);
  const Matrix<float> weight = test::random_matrix(9, 30, 4), none(9, 30);
  const std::vector<double> importance(30, 2.0);
  for (const float scale : solve_residual(threads, weight, none, importance, 4).scale) {
    EXPECT_EQ(scale, rounded_to(StoredType::float16, scale));
  }
}

// Of a uniform residual the quantizer with one step a row keeps a share of about 1 / (2 * 7)^2.
TEST(ResidualSolver, LosesAsMuchOfAUniformResidualAsItsStepSays) {
  Threads threads(1);
  Matrix<float> weight = test::random_matrix(16, 512, 5);
  double total = 0;
  for (float& value : weight.span()) {
    value = std::erf(value);  // normal to uniform in (-1, 1)
    value = static_cast<float>(value);
    total += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto layer = solve_residual(threads, weight, Matrix<float>(16, 512), {}, 4);
  const double left = squared_error(weight, dequantize(layer), {}) / total;
  EXPECT_GT(left, 0.003);
  EXPECT_LT(left, 0.007);
}

}  // namespace
}  // namespace tessera::residual
