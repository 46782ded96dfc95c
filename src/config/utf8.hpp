#pragma once
#include <cstddef>
#include <string_view>

namespace tessera::config {

/// The offset of the first byte of @p text that is no part of a UTF-8 character (Unicode 15, table
/// 3-7: shortest forms, no surrogates), or is a control character other than tab and the ends of
/// lines; text.size() when all is well.
std::size_t find_no_text(std::string_view text);

}  // namespace tessera::config
