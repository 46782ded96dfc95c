#include "model/quoted_name.hpp"

#include <fmt/core.h>

namespace tessera::model {

std::string quote_name(std::string_view name) {
  constexpr std::size_t kMaxShown = 120;
  std::string text = "'";
  for (const char c : name.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + (name.size() > kMaxShown ? "...'" : "'");
}

}  // namespace tessera::model
