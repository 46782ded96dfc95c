#include "core/dtype.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A half's value by its definition: sign, 5 bits of exponent, 10 of fraction.
double half_by_definition(unsigned bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31u);
  const double fraction = bits & 1023u;
  if (exponent == 31) return fraction == 0 ? sign * HUGE_VAL : std::nan("");
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(DType, EveryHalfHasTheValueOfItsDefinition) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double expected = half_by_definition(bits);
    const float value = float_from_f16(static_cast<std::uint16_t>(bits));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << std::hex << bits;
    } else {
      ASSERT_EQ(value, expected) << std::hex << bits;
      ASSERT_EQ(std::signbit(value), (bits & 0x8000u) != 0) << std::hex << bits;
    }
  }
}

TEST(DType, EveryHalfSurvivesTheRoundTripThroughFloat) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = float_from_f16(static_cast<std::uint16_t>(bits));
    const unsigned quiet = std::isnan(value) ? bits | 0x200u : bits;
    ASSERT_EQ(f16_from_float(value), quiet) << std::hex << bits;
  }
}

TEST(DType, FloatsRoundToTheNearestHalfAndTiesToEven) {
  for (unsigned bits = 0; bits < 0x7BFF; ++bits) {  // every gap between neighbouring finite halves
    const auto below = static_cast<std::uint16_t>(bits);
    const auto above = static_cast<std::uint16_t>(bits + 1);
    const double middle = (half_by_definition(below) + half_by_definition(above)) / 2;
    const auto tie = static_cast<float>(middle);  // exact: one bit more than a half holds
    ASSERT_EQ(tie, middle);
    ASSERT_EQ(f16_from_float(tie), bits % 2 == 0 ? below : above) << std::hex << bits;
    ASSERT_EQ(f16_from_float(std::nextafter(tie, 0.0f)), below) << std::hex << bits;
    ASSERT_EQ(f16_from_float(std::nextafter(tie, kInfinity)), above) << std::hex << bits;
    ASSERT_EQ(f16_from_float(-tie), f16_from_float(tie) | 0x8000u) << std::hex << bits;
  }
}

TEST(DType, FloatsBeyondTheLargestHalfBecomeInfinite) {
  EXPECT_EQ(f16_from_float(65504.0f), 0x7BFF);
  EXPECT_EQ(f16_from_float(std::nextafter(65520.0f, 0.0f)), 0x7BFF);
  EXPECT_EQ(f16_from_float(65520.0f), 0x7C00);
  EXPECT_EQ(f16_from_float(-std::numeric_limits<float>::max()), 0xFC00);
  EXPECT_EQ(f16_from_float(kInfinity), 0x7C00);
  EXPECT_EQ(f16_from_float(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(f16_from_float(-0.0f), 0x8000);
}

TEST(DType, NanStaysNan) {
  // The payload of a signalling NaN lies in bits that are cut off: it must not become infinity.
  const float signalling = std::bit_cast<float>(0x7F800001u);
  for (const float nan : {std::nanf(""), -std::nanf(""), signalling}) {
    EXPECT_TRUE(std::isnan(float_from_f16(f16_from_float(nan))));
    EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(nan))));
  }
}

TEST(DType, Bfloat16IsTheUpperHalfRoundedToEven) {
  EXPECT_EQ(bf16_from_float(1.0f), 0x3F80);
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x3F808000u)), 0x3F80);  // tie, down to even
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x3F818000u)), 0x3F82);  // tie, up to even
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0x3F808001u)), 0x3F81);
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(bf16_from_float(-kInfinity), 0xFF80);
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = float_from_bf16(static_cast<std::uint16_t>(bits));
    const unsigned quiet = std::isnan(value) ? bits | 0x40u : bits;
    ASSERT_EQ(bf16_from_float(value), quiet) << std::hex << bits;
  }
}

/// Sizes around the tile in which arrays are converted, read from an odd address.
TEST(DType, ArraysConvertLikeSingleValuesAtAnyAlignmentAndSize) {
  for (const std::size_t count : {0u, 1u, 255u, 256u, 257u, 1000u}) {
    std::vector<std::byte> raw(1 + 2 * count);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = static_cast<std::uint16_t>(i * 2654435761u >> 9);
      std::memcpy(&raw[1 + 2 * i], &bits, 2);
    }
    for (const DType type : {DType::f16, DType::bf16}) {
      const auto decode = type == DType::f16 ? float_from_f16 : float_from_bf16;
      const auto encode = type == DType::f16 ? f16_from_float : bf16_from_float;
      convert_to_float(type, raw.data() + 1, values);
      std::vector<std::byte> back(1 + 2 * count);
      convert_from_float(type, values, back.data() + 1);
      for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t stored = 0;
        std::memcpy(&stored, &raw[1 + 2 * i], 2);
        ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]),
                  std::bit_cast<std::uint32_t>(decode(stored)));
        std::memcpy(&stored, &back[1 + 2 * i], 2);
        ASSERT_EQ(stored, encode(values[i]));
      }
    }
  }
}

TEST(DType, DoublesAndFloatsConvertToo) {
  const std::vector<double> doubles{1.0, -2.5, 1e300};
  std::vector<float> values(3);
  convert_to_float(DType::f64, reinterpret_cast<const std::byte*>(doubles.data()), values);
  EXPECT_EQ(values, (std::vector<float>{1.0f, -2.5f, kInfinity}));
  std::vector<float> copy(3);
  convert_from_float(DType::f32, values, reinterpret_cast<std::byte*>(copy.data()));
  EXPECT_EQ(copy, values);
  EXPECT_THROW(convert_to_float(DType::i32, nullptr, values), Bug);
  EXPECT_THROW(convert_from_float(DType::f64, values, nullptr), Bug);
}

TEST(DType, NamesAndSizesAreThoseOfSafetensors) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
                           DType::i8, DType::u8, DType::boolean, DType::f64}) {
    EXPECT_EQ(dtype_from_name(name_of(type)), type);
  }
  EXPECT_EQ(name_of(DType::bf16), "BF16");
  EXPECT_EQ(size_of(DType::boolean), 1u);
  EXPECT_EQ(size_of(DType::i64), 8u);
  EXPECT_THAT([] { dtype_from_name("F8_E4M3"); },
              ThrowsMessage<InputError>(HasSubstr("'F8_E4M3' is not known")));
}

TEST(DType, StoredTypesRoundAsTheirFilesDo) {
  EXPECT_EQ(rounded_to(StoredType::float16, 0.1f), float_from_f16(f16_from_float(0.1f)));
  EXPECT_EQ(rounded_to(StoredType::bfloat16, 0.1f), float_from_bf16(bf16_from_float(0.1f)));
  EXPECT_EQ(rounded_to(StoredType::float32, 0.1f), 0.1f);
  EXPECT_EQ(dtype_of(StoredType::bfloat16), DType::bf16);
}

}  // namespace
}  // namespace tessera
