#include "core/dtype.hpp"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <cstring>
#include <utility>

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

template <class Stored, class Convert>
void convert_each(const std::byte* bytes, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(stored);
  }
}

}  // namespace

std::size_t size_of(DType type) { return row_of(type).size; }
std::string_view name_of(DType type) { return row_of(type).name; }

DType dtype_from_name(std::string_view name) {
  for (const Row& row : kTypes) {
    if (row.name == name) return row.type;
  }
  throw InputError(fmt::format("element type '{}' is not known (floating types are F32, F16 and BF16)", name));
}

// _Float16 converts in hardware where there is F16C and in libgcc elsewhere, with the same rounding.
std::uint16_t f16_from_float(float value) {
  return std::bit_cast<std::uint16_t>(static_cast<_Float16>(value));
}
float float_from_f16(std::uint16_t bits) { return static_cast<float>(std::bit_cast<_Float16>(bits)); }

std::uint16_t bf16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
float float_from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

DType dtype_of(StoredType type) {
  switch (type) {
    case StoredType::float16: return DType::f16;
    case StoredType::bfloat16: return DType::bf16;
    case StoredType::float32: return DType::f32;
  }
  throw Bug("a StoredType without a DType");
}

float rounded_to(StoredType type, float value) {
  switch (type) {
    case StoredType::float16: return float_from_f16(f16_from_float(value));
    case StoredType::bfloat16: return float_from_bf16(bf16_from_float(value));
    case StoredType::float32: return value;
  }
  throw Bug("a StoredType without a rounding");
}

void convert_to_float(DType type, const std::byte* bytes, std::span<float> out) {
  switch (type) {
    case DType::f32: std::memcpy(out.data(), bytes, out.size_bytes()); return;
    case DType::f16: convert_each<std::uint16_t>(bytes, out, float_from_f16); return;
    case DType::bf16: convert_each<std::uint16_t>(bytes, out, float_from_bf16); return;
    case DType::f64:
      convert_each<double>(bytes, out, [](double v) { return static_cast<float>(v); });
      return;
    default: throw Bug("convert_to_float from an integer type");
  }
}

void convert_from_float(DType type, std::span<const float> values, std::byte* bytes) {
  const auto each = [&](auto convert) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t stored = convert(values[i]);
      std::memcpy(bytes + 2 * i, &stored, 2);
    }
  };
  switch (type) {
    case DType::f32: std::memcpy(bytes, values.data(), values.size_bytes()); return;
    case DType::f16: each(f16_from_float); return;
    case DType::bf16: each(bf16_from_float); return;
    default: throw Bug("convert_from_float to a type that is not F32, F16 or BF16");
  }
}

}  // namespace tessera
