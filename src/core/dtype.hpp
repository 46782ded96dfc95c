#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tessera {

/// Element types of safetensors files that this program reads or writes.
enum class DType { f32, f16, bf16, i64, i32, i16, i8, u8, boolean, f64 };

std::size_t size_of(DType type);
/// The name safetensors uses: "F32", "BF16", "I32", ...
std::string_view name_of(DType type);
/// Inverse of name_of; throws InputError for a type this program does not know.
DType dtype_from_name(std::string_view name);

/// IEEE half and bfloat16, rounded to nearest even, infinities and NaNs kept; halves' subnormals
/// are exact.
std::uint16_t f16_from_float(float value);
float float_from_f16(std::uint16_t bits);
std::uint16_t bf16_from_float(float value);
float float_from_bf16(std::uint16_t bits);

/// The types a packed model may store its codebooks and scales in.
enum class StoredType { float16, bfloat16, float32 };
DType dtype_of(StoredType type);
/// @p value as it will be after a round trip through @p type.
float rounded_to(StoredType type, float value);

/// Converts @p count elements of a floating type, starting at @p bytes (any alignment), to floats.
/// @pre type is f32, f16, bf16 or f64; out.size() elements are readable
void convert_to_float(DType type, const std::byte* bytes, std::span<float> out);
/// Inverse: f32, f16 or bf16.
void convert_from_float(DType type, std::span<const float> values, std::byte* bytes);

}  // namespace tessera
