#include <gtest/gtest.h>

#include "config/scalar_reader.hpp"

namespace tessera::config {
namespace {

TEST(ParseBytes, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_bytes("0"), 0U);
  EXPECT_EQ(parse_bytes("4096"), 4096U);
  EXPECT_EQ(parse_bytes("5GB"), 5'000'000'000U);
  EXPECT_EQ(parse_bytes("20 GiB"), 20ULL << 30U);
  EXPECT_EQ(parse_bytes("1.5kB"), 1500U);
  EXPECT_EQ(parse_bytes("18446744073709551615B"), 18446744073709551615U);
}

TEST(ParseBytes, RefusesWhatIsNoSizeOrTooLarge) {
  for (const char* text : {"", "GB", "-1", "1e9", "5gb", "5 G B", "1.2.3MB", ".", "0x10", "nan",
                           "18446744073709551616", "17000000TiB", "99999999999999999999.5TB"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tessera::config
