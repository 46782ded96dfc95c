#include "model/tensor_source.hpp"

#include <algorithm>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/safetensors_bytes.hpp"

namespace tessera::model {
namespace {

using test::input_error_of;
using testing::AllOf;
using testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// One tensor, whatever its name.
class OneTensor final : public TensorSource {
 public:
  OneTensor(std::vector<std::size_t> shape, std::vector<float> values)
      : info_{DType::f32, std::move(shape)}, values_(std::move(values)) {}
  bool contains(std::string_view) const override { return true; }
  TensorInfo info(std::string_view) const override { return info_; }
  void read(std::string_view, std::span<float> out) const override {
    std::ranges::copy(values_, out.begin());
  }
  std::string origin() const override { return "models/x"; }

 private:
  TensorInfo info_;
  std::vector<float> values_;
};

TEST(TensorSource, ReadsWhatHasTheExpectedShape) {
  const OneTensor source({2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(source.read_matrix("w", 2, 3)(1, 2), 5.0f);
  EXPECT_TRUE(OneTensor({0, 3}, {}).read_matrix("w", 0, 3).empty());
  EXPECT_EQ(OneTensor({1}, {7}).read_vector("b", 1), std::vector<float>{7});
}

TEST(TensorSource, ReadsRowsOnly) {
  const OneTensor source({3, 2}, {0, 1, 2, 3, 4, kNan});
  const Matrix<float> rows = source.read_matrix_rows("w", 3, 2, {1, 2});
  EXPECT_EQ(rows.rows(), 1u);
  EXPECT_EQ(rows(0, 1), 3.0f);
  EXPECT_TRUE(source.read_matrix_rows("w", 3, 2, {3, 3}).empty());
  EXPECT_THAT(input_error_of([&] {
                source.read_matrix_rows("w", 3, 2, {1, 3});
              }),
              HasSubstr("'w' holds NaN at row 2, column 1"));
  EXPECT_THAT(input_error_of([&] {
                source.read_matrix_rows("w", 2, 3, {0, 1});
              }),
              HasSubstr("asks for [2, 3]"));
  EXPECT_THROW(source.read_matrix_rows("w", 3, 2, {2, 4}), Bug);
}

TEST(TensorSource, AnotherShapeIsRefusedWithBoth) {
  const OneTensor source({2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_THAT(input_error_of([&] { source.read_matrix("w", 3, 2); }),
              AllOf(HasSubstr("models/x: tensor 'w' is F32 [2, 3]"), HasSubstr("asks for [3, 2]")));
  EXPECT_THAT(input_error_of([&] { source.read_vector("w", 6); }), HasSubstr("asks for [6]"));
  EXPECT_THAT(input_error_of([&] { OneTensor({6}, {}).read_matrix("w", 1, 6); }),
              HasSubstr("F32 [6]"));
}

TEST(TensorSource, NanAndInfinityAreNamedWithTheirPlace) {
  const OneTensor nan({2, 3}, {0, 1, 2, 3, kNan, kInfinity});
  EXPECT_THAT(input_error_of([&] { nan.read_matrix("w", 2, 3); }),
              AllOf(HasSubstr("models/x: tensor 'w' holds NaN at row 1, column 1")));
  const OneTensor infinity({3}, {0, 1, -kInfinity});
  EXPECT_THAT(input_error_of([&] { infinity.read_vector("b", 3); }),
              HasSubstr("holds infinity at element 2"));
}

TEST(FirstNotFinite, FindsTheFirstAroundTheTileItLooksAt) {
  EXPECT_EQ(first_not_finite({}), 0u);
  for (const std::size_t size : {1u, 1023u, 1024u, 1025u, 4000u}) {
    std::vector<float> values(size, std::numeric_limits<float>::max());
    EXPECT_EQ(first_not_finite(values), size);
    for (const std::size_t place : {std::size_t{0}, size / 2, size - 1}) {
      std::vector<float> bad = values;
      bad[place] = kNan;
      bad.back() = -kInfinity;
      EXPECT_EQ(first_not_finite(bad), place) << size;
    }
  }
  const std::vector<float> tiny{std::numeric_limits<float>::denorm_min(), -0.0f};
  EXPECT_EQ(first_not_finite(tiny), 2u);
}

TEST(TensorInfo, OfAScalarCountsOne) {
  EXPECT_EQ((TensorInfo{DType::f16, {}}).count(), 1u);
  EXPECT_EQ((TensorInfo{DType::f16, {3, 0}}).count(), 0u);
  EXPECT_EQ((TensorInfo{DType::bf16, {576, 1536}}).to_text(), "BF16 [576, 1536]");
}

}  // namespace
}  // namespace tessera::model
