#include "linalg/quantize_rows.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

constexpr InputQuantization kDynamic{};
constexpr InputQuantization kSimulated{true, 0, 0, 127.5F};

std::vector<float> quantized(std::vector<float> x, const InputQuantization& quantization) {
  quantize_rows({x.data(), 1, x.size()}, quantization);
  return x;
}

TEST(QuantizeRows, RoundsHalfToEvenOfEachTokensOwnScale) {
  // The largest is 127 steps of 1.
  EXPECT_EQ(quantized({127, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 0.49F, -126.6F}, kDynamic),
            (std::vector<float>{127, 0, 2, 2, 0, -2, 0, -127}));
  // 127.5 levels: the largest step rounds to 128, which the positive side lacks.
  EXPECT_EQ(quantized({127.5F, 3.4F}, kSimulated), (std::vector<float>{127, 3}));
  EXPECT_EQ(quantized({-127.5F, 3.4F}, kSimulated), (std::vector<float>{-128, 3}));
}

TEST(QuantizeRows, StaticRangesClampAroundTheirZeroPoint) {
  const InputQuantization shifted{false, 0.5F, -100, 0};
  EXPECT_EQ(quantized({0, 0.5F, 0.26F, -14, -14.5F, -1000, 113.5F, 114, 1e30F}, shifted),
            (std::vector<float>{0, 0.5F, 0.5F, -14, -14, -14, 113.5F, 113.5F, 113.5F}));
  const InputQuantization symmetric{false, 2, 0, 0};
  EXPECT_EQ(quantized({1, 3, 5, -300, 300}, symmetric), (std::vector<float>{0, 4, 4, -256, 254}));
}

TEST(QuantizeRows, ZerosStayAndWhatIsNearlyZeroBecomesZero) {
  EXPECT_EQ(quantized({0, -0.0F, 0}, kDynamic), std::vector<float>(3));
  const float tiny = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(quantized({tiny, -tiny}, kDynamic), std::vector<float>(2));
  EXPECT_EQ(quantized({0, 0}, {false, 0.1F, 37, 0}), std::vector<float>(2));
  EXPECT_EQ(quantized({}, kDynamic), std::vector<float>{});
}

TEST(QuantizeRows, AgreesWithTheReferenceToTheBitWhereverARowLies) {
  const InputQuantization ways[] = {
      kDynamic, kSimulated, {false, 0.02F, 0, 0}, {false, 0.013F, -77, 0}, {false, 1e-3F, 127, 0}};
  for (const std::size_t cols : {1, 15, 16, 17, 33, 577}) {
    for (const InputQuantization& way : ways) {
      const Matrix<float> x = test::random_matrix(5, cols, cols);
      Matrix<float> expected = x.copy();
      for (float& value : expected.view().row_span(1)) value *= 1e6F;
      for (float& value : expected.view().row_span(2)) value *= 1e-30F;
      for (float& value : expected.view().row_span(3)) value = 0;
      Matrix<float> wide(5, cols + 3);  // rows that are not aligned
      const auto actual = wide.view().block(0, 3, 5, cols);
      for (std::size_t i = 0; i < 5; ++i) {
        std::memcpy(actual.row(i), expected.row(i), cols * sizeof(float));
      }
      quantize_rows_reference(expected, way);
      quantize_rows(actual, way);
      for (std::size_t i = 0; i < 5; ++i) {
        ASSERT_EQ(std::memcmp(actual.row(i), expected.row(i), cols * sizeof(float)), 0)
            << cols << " columns, row " << i << ", zero point " << way.zero_point;
      }
    }
  }
}

TEST(QuantizeRows, ErrsByHalfAStepAtMost) {
  const Matrix<float> x = test::random_matrix(20, 300, 4);
  Matrix<float> rounded = x.copy();
  quantize_rows(rounded, kDynamic);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    float largest = 0;
    for (const float value : x.view().row_span(i)) largest = std::max(largest, std::abs(value));
    for (std::size_t j = 0; j < x.cols(); ++j) {
      EXPECT_LE(std::abs(rounded(i, j) - x(i, j)), largest / 127 * 0.50001F);
    }
  }
}

TEST(QuantizeRows, WithoutAScaleIsOurMistake) {
  Matrix<float> x = test::random_matrix(1, 4, 1);
  EXPECT_THROW(quantize_rows(x, {false, 0, 0, 0}), Bug);
  EXPECT_THROW(quantize_rows(x, {true, 0, 0, 0}), Bug);
}

}  // namespace
}  // namespace tessera::linalg
