#pragma once
#include <string>

#include "config/document.hpp"
#include "config/tree_writer.hpp"

namespace tessera::config {

/// The tree as YAML that parse_yaml reads back; lists of values on one line.
std::string yaml_text(const Node& root);

/// @p value as YAML: every key, in a stable order; read_text gives it back.
template <class Struct>
std::string write_text(const Struct& value) {
  return yaml_text(tree_of(value));
}

}  // namespace tessera::config
