#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tessera::store {

/// Element types of work files; stored little-endian.
enum class ElementType { u8, u16, u32, u64, i32, i64, f32, f64 };

std::size_t size_of(ElementType type);
/// "u16", "f64": for messages.
const char* name_of(ElementType type);

template <class T>
constexpr ElementType element_type_of() {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>,
                "work files hold arrays of numbers");
  if constexpr (std::is_floating_point_v<T>) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    return sizeof(T) == 4 ? ElementType::f32 : ElementType::f64;
  } else if constexpr (std::is_unsigned_v<T>) {
    return sizeof(T) == 1   ? ElementType::u8
           : sizeof(T) == 2 ? ElementType::u16
           : sizeof(T) == 4 ? ElementType::u32
                            : ElementType::u64;
  } else {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "8 and 16 bits are stored unsigned only");
    return sizeof(T) == 4 ? ElementType::i32 : ElementType::i64;
  }
}

}  // namespace tessera::store
