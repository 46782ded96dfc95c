#include "config/utf8.hpp"

#include <array>

namespace tessera::config {
namespace {

// Lead bytes, how many bytes follow, and the bounds of the first of them; later ones are 80 to BF.
struct Form {
  unsigned char lead_low, lead_high;
  std::size_t num_following;
  unsigned char low, high;
};
constexpr std::array<Form, 8> kForms = {{{0xC2, 0xDF, 1, 0x80, 0xBF},
                                         {0xE0, 0xE0, 2, 0xA0, 0xBF},
                                         {0xE1, 0xEC, 2, 0x80, 0xBF},
                                         {0xED, 0xED, 2, 0x80, 0x9F},
                                         {0xEE, 0xEF, 2, 0x80, 0xBF},
                                         {0xF0, 0xF0, 3, 0x90, 0xBF},
                                         {0xF1, 0xF3, 3, 0x80, 0xBF},
                                         {0xF4, 0xF4, 3, 0x80, 0x8F}}};

bool is_between(unsigned char byte, unsigned char low, unsigned char high) {
  return low <= byte && byte <= high;
}

// Bytes of the character that @p text begins with; 0 when it begins with none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) {
    const bool is_control = byte(0) < 0x20 || byte(0) == 0x7F;
    return !is_control || text[0] == '\t' || text[0] == '\n' || text[0] == '\r' ? 1 : 0;
  }
  for (const Form& form : kForms) {
    if (!is_between(byte(0), form.lead_low, form.lead_high)) continue;
    if (text.size() <= form.num_following || !is_between(byte(1), form.low, form.high)) return 0;
    for (std::size_t i = 2; i <= form.num_following; ++i) {
      if (!is_between(byte(i), 0x80, 0xBF)) return 0;
    }
    return form.num_following + 1;
  }
  return 0;
}

}  // namespace

std::size_t find_no_text(std::string_view text) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    const std::size_t size = character_size(text.substr(offset));
    if (size == 0) break;
    offset += size;
  }
  return offset;
}

}  // namespace tessera::config
