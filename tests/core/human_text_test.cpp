#include "core/human_text.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(HumanText, DurationsAtTheEdgesOfTheirUnits) {
  EXPECT_EQ(duration_text(0), "0.0s");
  EXPECT_EQ(duration_text(9.94), "9.9s");
  EXPECT_EQ(duration_text(9.96), "10s");
  EXPECT_EQ(duration_text(59.4), "59s");
  EXPECT_EQ(duration_text(59.6), "1m00s");
  EXPECT_EQ(duration_text(3599.6), "1h00m");
  EXPECT_EQ(duration_text(7620), "2h07m");
  EXPECT_EQ(duration_text(-1), "?");
  EXPECT_EQ(duration_text(std::nan("")), "?");
}

TEST(HumanText, RatesInTheUnitOneCanPicture) {
  EXPECT_EQ(rate_text(123.4), "123/s");
  EXPECT_EQ(rate_text(3.14), "3.1/s");
  EXPECT_EQ(rate_text(0.5), "30/min");
  EXPECT_EQ(rate_text(0.001), "3.6/h");
  EXPECT_EQ(rate_text(0), "0.0/h");
}

TEST(HumanText, BytesAtTheEdgesOfTheirUnits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.0 kB");
  EXPECT_EQ(bytes_text(999'949), "1.0 MB");
  EXPECT_EQ(bytes_text(84'300'000), "84.3 MB");
  EXPECT_EQ(bytes_text(270e6), "270 MB");
  EXPECT_EQ(bytes_text(5e15), "5000 TB");
}

}  // namespace
}  // namespace tessera
