#include "core/dtype.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera {
namespace {

struct Row {
  DType type;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<Row, 10> kTypes{{{DType::f32, "F32", 4},
                                      {DType::f16, "F16", 2},
                                      {DType::bf16, "BF16", 2},
                                      {DType::i64, "I64", 8},
                                      {DType::i32, "I32", 4},
                                      {DType::i16, "I16", 2},
                                      {DType::i8, "I8", 1},
                                      {DType::u8, "U8", 1},
                                      {DType::boolean, "BOOL", 1},
                                      {DType::f64, "F64", 8}}};

const Row& row_of(DType type) {
  for (const Row& row : kTypes) {
    if (row.type == type) return row;
  }
  throw Bug("a DType without a row in the table");
}

// The conversions below have no branches, so that loops over them vectorize on every machine; the
// choices are between values that are all computed.

constexpr std::uint32_t kSign = 0x80000000u;
constexpr std::uint32_t kInfinity = 0x7F800000u;
constexpr std::uint32_t kQuiet = 0x00400000u;  ///< set in every NaN a conversion returns

/// @p below where x < bound, else @p otherwise; both under 2^31. Spelled with the difference's
/// sign: compilers turn comparisons into jumps when they please.
std::uint32_t if_less(std::uint32_t x, std::uint32_t bound, std::uint32_t below,
                      std::uint32_t otherwise) {
  const auto mask = static_cast<std::uint32_t>(static_cast<std::int32_t>(x - bound) >> 31);
  return (below & mask) | (otherwise & ~mask);
}

/// A half's 5 + 10 bits moved to a float's 8 + 23, and the exponent's bias raised from 15 to 127.
float half_to_float(std::uint16_t bits) {
  const std::uint32_t magnitude = bits & 0x7FFFu;
  const std::uint32_t moved = magnitude << 13;
  const std::uint32_t normal = moved + (112u << 23);
  // m units of 2^-24: placed below the digits of 0.5, whose last place is 2^-24, and 0.5 taken
  // away.
  const auto subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude | 0x3F000000u) - 0.5f);
  const std::uint32_t special = moved | kInfinity | if_less(0x7C00u, magnitude, kQuiet, 0u);
  const std::uint32_t finite = if_less(magnitude, 0x0400u, subnormal, normal);
  const std::uint32_t value = if_less(magnitude, 0x7C00u, finite, special);
  return std::bit_cast<float>(value | static_cast<std::uint32_t>(bits & 0x8000u) << 16);
}

/// The inverse, from a float's bits to the nearest half, ties to even; 65520 and above become
/// infinite.
std::uint16_t half_from_bits(std::uint32_t bits) {
  const std::uint32_t magnitude = bits & ~kSign;
  // Adding just under half a last place carries into the digits that stay; one more when the last
  // is odd.
  const std::uint32_t odd = magnitude >> 13 & 1u;
  const std::uint32_t normal = (magnitude + 0xFFFu + odd - (112u << 23)) >> 13;
  // The addition rounds to the last place of 0.5, which is a half's smallest step.
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3F000000u;
  const std::uint32_t nan = 0x7E00u | (magnitude >> 13 & 0x03FFu);
  const std::uint32_t finite = if_less(magnitude, 0x38800000u, subnormal, normal);
  const std::uint32_t bounded = if_less(magnitude, 0x477FF000u, finite, 0x7C00u);
  const std::uint32_t result = if_less(kInfinity, magnitude, nan, bounded);
  return static_cast<std::uint16_t>(result | (bits & kSign) >> 16);
}

float bfloat_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// A float's upper half, to the nearest, ties to even.
std::uint16_t bfloat_from_bits(std::uint32_t bits) {
  const std::uint32_t nan = (bits | kQuiet) >> 16;
  const std::uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  return static_cast<std::uint16_t>(if_less(kInfinity, bits & ~kSign, nan, rounded));
}

/// Calls out[i] = convert(in[i]) with @p in at any alignment. Tiles of a fixed length vectorize at
/// every level of optimisation; they pass through an aligned buffer, which stays in the nearest
/// cache.
template <class In, class Out, class Convert>
void convert_each(const std::byte* in, std::byte* out, std::size_t count, Convert convert) {
  constexpr std::size_t kTile = 256;
  std::array<In, kTile> from{};
  std::array<Out, kTile> to{};
  for (std::size_t begin = 0; begin < count; begin += kTile) {
    const std::size_t size = std::min(kTile, count - begin);
    std::memcpy(from.data(), in + begin * sizeof(In), size * sizeof(In));
    for (std::size_t i = 0; i < kTile; ++i) to[i] = convert(from[i]);
    std::memcpy(out + begin * sizeof(Out), to.data(), size * sizeof(Out));
  }
}

}  // namespace

std::size_t size_of(DType type) {
  return row_of(type).size;
}
std::string_view name_of(DType type) {
  return row_of(type).name;
}

DType dtype_from_name(std::string_view name) {
  for (const Row& row : kTypes) {
    if (row.name == name) return row.type;
  }
  throw InputError(
      fmt::format("element type '{}' is not known (floating types are F32, F16 and BF16)", name));
}

std::uint16_t f16_from_float(float value) {
  return half_from_bits(std::bit_cast<std::uint32_t>(value));
}
float float_from_f16(std::uint16_t bits) {
  return half_to_float(bits);
}
std::uint16_t bf16_from_float(float value) {
  return bfloat_from_bits(std::bit_cast<std::uint32_t>(value));
}
float float_from_bf16(std::uint16_t bits) {
  return bfloat_to_float(bits);
}

DType dtype_of(StoredType type) {
  switch (type) {
    case StoredType::float16:
      return DType::f16;
    case StoredType::bfloat16:
      return DType::bf16;
    case StoredType::float32:
      return DType::f32;
  }
  throw Bug("a StoredType without a DType");
}

float rounded_to(StoredType type, float value) {
  switch (type) {
    case StoredType::float16:
      return float_from_f16(f16_from_float(value));
    case StoredType::bfloat16:
      return float_from_bf16(bf16_from_float(value));
    case StoredType::float32:
      return value;
  }
  throw Bug("a StoredType without a rounding");
}

void convert_to_float(DType type, const std::byte* bytes, std::span<float> out) {
  auto* const floats = reinterpret_cast<std::byte*>(out.data());
  const auto each = [&]<class Stored>(Stored, auto convert) {
    convert_each<Stored, float>(bytes, floats, out.size(), convert);
  };
  switch (type) {
    case DType::f32:
      if (!out.empty()) std::memcpy(floats, bytes, out.size_bytes());
      return;
    case DType::f16:
      return each(std::uint16_t{}, [](std::uint16_t v) { return half_to_float(v); });
    case DType::bf16:
      return each(std::uint16_t{}, [](std::uint16_t v) { return bfloat_to_float(v); });
    case DType::f64:
      return each(double{}, [](double v) { return static_cast<float>(v); });
    default:
      throw Bug("convert_to_float from an integer type");
  }
}

void convert_from_float(DType type, std::span<const float> values, std::byte* bytes) {
  const auto* const floats = reinterpret_cast<const std::byte*>(values.data());
  const auto each = [&](auto convert) {
    convert_each<std::uint32_t, std::uint16_t>(floats, bytes, values.size(), convert);
  };
  switch (type) {
    case DType::f32:
      if (!values.empty()) std::memcpy(bytes, floats, values.size_bytes());
      return;
    case DType::f16:
      return each([](std::uint32_t v) { return half_from_bits(v); });
    case DType::bf16:
      return each([](std::uint32_t v) { return bfloat_from_bits(v); });
    default:
      throw Bug("convert_from_float to a type that is not F32, F16 or BF16");
  }
}

}  // namespace tessera
