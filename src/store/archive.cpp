#include "store/archive.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace tessera::store {

std::size_t size_of(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return 1;
    case ElementType::u16:
      return 2;
    case ElementType::u32:
    case ElementType::i32:
    case ElementType::f32:
      return 4;
    case ElementType::u64:
    case ElementType::i64:
    case ElementType::f64:
      return 8;
  }
  throw Bug("unknown element type");
}

const char* name_of(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return "u8";
    case ElementType::u16:
      return "u16";
    case ElementType::u32:
      return "u32";
    case ElementType::u64:
      return "u64";
    case ElementType::i32:
      return "i32";
    case ElementType::i64:
      return "i64";
    case ElementType::f32:
      return "f32";
    case ElementType::f64:
      return "f64";
  }
  throw Bug("unknown element type");
}

void require_identity(const std::filesystem::path& file, const Identity& found,
                      const Identity& wanted) {
  for (const auto& [key, value] : wanted) {
    const auto place = found.find(key);
    if (place != found.end() && place->second == value) continue;
    throw InputError(fmt::format(
        "{}: belongs to something else ({} is {}, wanted is '{}'). Delete or rename it; it will be "
        "made again.",
        file.string(), key, place == found.end() ? "not given" : fmt::format("'{}'", place->second),
        value));
  }
}

}  // namespace tessera::store
