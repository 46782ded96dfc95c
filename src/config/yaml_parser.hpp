#pragma once
#include <cstddef>
#include <string>

#include "config/document.hpp"

namespace tessera::config {

/// Bounds on what is read from a settings file: none that a person writes comes near them.
inline constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMostValues = 100'000;  ///< with every YAML alias written out
inline constexpr int kMostNesting = 32;

/// The one YAML document in @p text; an empty text is an empty map. Places are lines of @p origin,
/// or @p origin alone when @p has_lines is false.
/// @throws InputError where the text is no YAML, or is beyond a bound: "origin:line: problem"
Node parse_yaml(const std::string& text, const std::string& origin, bool has_lines = true);

}  // namespace tessera::config
