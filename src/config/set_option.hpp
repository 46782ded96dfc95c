#pragma once
#include <string>
#include <vector>

#include "config/document.hpp"
#include "config/read_context.hpp"
#include "config/schema.hpp"

namespace tessera::config {

/// Puts what `--set a.b.c=value` says into the tree, in place of what stood there under this name
/// or an alias of it. The value is YAML; a list replaces the whole list. Sections that are not
/// there are made. Problems, here and when the value is read, name the option: "--set a.b.c: ...".
void apply_set_option(ReadContext& context, Node& root, const std::string& option,
                      const std::vector<Section>& schema);

}  // namespace tessera::config
