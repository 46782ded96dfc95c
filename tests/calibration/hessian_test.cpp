#include "calibration/hessian.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::calibration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

HessianSum sum_of_three() {
  HessianSum sum{4, Matrix<double>(3, 3)};
  sum.sum(0, 0) = 8;
  sum.sum(2, 0) = 2;
  sum.sum(2, 2) = 1;
  return sum;
}

std::string message_of(const HessianSum& sum) {
  try {
    hessian_of(sum);
  } catch (const InputError& error) {
    return error.what();
  }
  return "(no InputError)";
}

TEST(Hessian, IsDividedOnce) {
  const Matrix<double> hessian = hessian_of(sum_of_three());
  EXPECT_EQ(hessian(0, 0), 2);
  EXPECT_EQ(hessian(2, 0), 0.5);
  EXPECT_EQ(hessian(2, 2), 0.25);
  EXPECT_EQ(hessian(0, 2), 0) << "lower triangle only";
}

TEST(Hessian, IsDividedInPlaceWhereTheSumIsGivenUp) {
  HessianSum sum = sum_of_three();
  sum.sum(0, 1) = 7;  // above the diagonal anything may stand
  const double* memory = sum.sum.data();
  const Matrix<double> hessian = hessian_of(std::move(sum.sum), sum.num_tokens);
  EXPECT_EQ(hessian.data(), memory);
  EXPECT_EQ(hessian(2, 0), 0.5);
  EXPECT_EQ(hessian(0, 1), 0);
}

TEST(Hessian, DeadChannelsAreThoseNoTokenReached) {
  HessianSum sum = sum_of_three();
  EXPECT_THAT(dead_channels(sum), ElementsAre(1));
  sum.sum(1, 1) = std::numeric_limits<double>::denorm_min();
  EXPECT_THAT(dead_channels(sum), IsEmpty());
  EXPECT_THAT(dead_channels(HessianSum{}), IsEmpty());
}

TEST(Hessian, NothingToDivideOrNotFinite) {
  HessianSum sum = sum_of_three();
  sum.num_tokens = 0;
  EXPECT_THAT(message_of(sum), HasSubstr("count no tokens"));
  sum.num_tokens = 4;
  sum.sum(2, 1) = std::numeric_limits<double>::infinity();
  EXPECT_THAT(message_of(sum), HasSubstr("channels 2 and 1 is inf after 4 tokens"));
}

}  // namespace
}  // namespace tessera::calibration
