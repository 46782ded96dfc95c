#include "solver/vptq/normalization.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::solver {
namespace {

using ::testing::HasSubstr;

Matrix<float> columns(std::initializer_list<std::initializer_list<float>> rows) {
  Matrix<float> m(rows.size(), rows.begin()->size());
  std::size_t i = 0;
  for (const auto& row : rows) {
    std::size_t j = 0;
    for (const float value : row) m(i, j++) = value;
    ++i;
  }
  return m;
}

TEST(Normalization, HandWorkedColumns) {
  const auto w = columns({{1, -2}, {3, 6}});
  const auto mean_std = normalize_columns(w, Normalization::mean_std, StoredType::float32);
  EXPECT_FLOAT_EQ(mean_std.bias[0], 2);
  EXPECT_FLOAT_EQ(mean_std.scale[0], 1);
  EXPECT_FLOAT_EQ(mean_std.bias[1], 2);
  EXPECT_FLOAT_EQ(mean_std.scale[1], 4);
  const auto min_max = normalize_columns(w, Normalization::min_max, StoredType::float32);
  EXPECT_FLOAT_EQ(min_max.bias[1], -2);
  EXPECT_FLOAT_EQ(min_max.scale[1], 8);
}

TEST(Normalization, NoneIsTheIdentity) {
  const auto norm = normalize_columns(columns({{5, 7}}), Normalization::none, StoredType::float16);
  EXPECT_EQ(norm.scale, std::vector<float>(2, 1.0f));
  EXPECT_EQ(norm.bias, std::vector<float>(2, 0.0f));
}

TEST(Normalization, OneRowAndConstantColumnsGetScaleOne) {
  const auto norm = normalize_columns(columns({{0.3f, 0.0f}, {0.3f, 0.0f}}),
                                      Normalization::mean_std, StoredType::float16);
  EXPECT_EQ(norm.num_constant, 2);
  EXPECT_EQ(norm.scale, std::vector<float>(2, 1.0f));
  EXPECT_EQ(norm.bias[0], rounded_to(StoredType::float16, 0.3f));
}

TEST(Normalization, ValuesSurviveTheStoredType) {
  for (const auto type : {StoredType::float16, StoredType::bfloat16}) {
    const auto norm =
        normalize_columns(test::random_matrix(37, 11, 5), Normalization::mean_std, type);
    for (std::size_t j = 0; j < 11; ++j) {
      EXPECT_EQ(norm.scale[j], rounded_to(type, norm.scale[j]));
      EXPECT_EQ(norm.bias[j], rounded_to(type, norm.bias[j]));
      EXPECT_GT(norm.scale[j], 0);
    }
  }
}

TEST(Normalization, OutOfHalfRangeNamesTheColumnAndTheWayOut) {
  try {
    normalize_columns(columns({{1, 1e6f}, {1, 3e6f}}), Normalization::mean_std,
                      StoredType::float16);
    FAIL() << "a mean of 2e6 was stored in 16 bits";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("column 1 has mean 2000000"));
    EXPECT_THAT(error.what(), HasSubstr("bfloat16"));
  }
}

}  // namespace
}  // namespace tessera::solver
