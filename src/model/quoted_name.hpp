#pragma once
#include <string>
#include <string_view>

namespace tessera::model {

/// A name from a file nobody has vouched for, as messages show it: in quotes, control characters
/// escaped, at most 120 bytes of it.
std::string quote_name(std::string_view name);

}  // namespace tessera::model
