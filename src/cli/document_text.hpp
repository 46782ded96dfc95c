#pragma once
#include <string>

#include "core/json_value.hpp"

namespace tessera::cli {

/// A document for people: facts as "name  value" lines, then each list of objects as a table with
/// its keys as the head. Numbers stand right, texts left; "bytes" get a unit, other whole numbers
/// stay as they are.
std::string document_text(const JsonValue& document);

}  // namespace tessera::cli
