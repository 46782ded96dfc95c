#include "config/tree_writer.hpp"

#include <algorithm>

namespace tessera::config {

void remove_shared(Node& node, const Node& start) {
  for (Entry& entry : node.entries) {
    const auto other = std::ranges::find(start.entries, entry.key, &Entry::key);
    if (other == start.entries.end()) continue;
    if (entry.value.kind == Node::Kind::map) remove_shared(entry.value, other->value);
  }
  std::erase_if(node.entries, [&](const Entry& entry) {
    const auto other = std::ranges::find(start.entries, entry.key, &Entry::key);
    if (other == start.entries.end()) return false;
    const bool is_empty = entry.value.kind == Node::Kind::map && entry.value.entries.empty();
    return is_empty || same_content(entry.value, other->value);
  });
}

}  // namespace tessera::config
