#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.hpp"

namespace tessera::config {

/// A Markdown page of all keys: @p introduction, then a table for each section with every key's
/// type, default, allowed values, meaning and other names. Sections of a type met before refer to
/// it.
std::string reference_page(std::string_view introduction, const std::vector<Section>& schema);

}  // namespace tessera::config
