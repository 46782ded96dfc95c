#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/value_text.hpp"
#include "core/describe.hpp"

// A described struct as a tree: the way back from the reader.
namespace tessera::config {

/// Takes out of the map @p node what it shares with @p start; sections left empty go as well.
void remove_shared(Node& node, const Node& start);

/// The visitor that appends one section's keys to a map node.
class WriteFields {
 public:
  WriteFields(Node& map, bool has_effect) : map_(map), has_effect_(has_effect) {}

  template <class Value, class... Notes>
  void operator()(std::string_view name, Value& value, std::string_view /*text*/,
                  const Notes&... notes) {
    const auto field = FieldNotes::from(notes...);
    const bool has_effect = has_effect_ && field.has_effect;
    if constexpr (Described<Value>) {
      append(name, section_node(value, has_effect), has_effect);
    } else if constexpr (is_list_of_sections<Value>) {
      Node start = Node::map();
      (add_start(start, notes), ...);
      Node list = Node::list();
      for (auto& item : value) {
        list.items.push_back(section_node(item, has_effect));
        remove_shared(list.items.back(), start);
      }
      append(name, std::move(list), has_effect);
    } else {
      append(name, node_of_value(value, field), has_effect);
    }
  }

  template <class Struct>
  static Node section_node(Struct& value, bool has_effect) {
    Node node = Node::map();
    WriteFields fields(node, has_effect);
    describe(fields, value);
    return node;
  }

 private:
  template <class Note>
  static void add_start(Node& /*start*/, const Note& /*note*/) {}
  template <class Item>
  static void add_start(Node& start, const Prototype<Item>& prototype) {
    Item item = prototype.item;
    start = section_node(item, true);
  }

  void append(std::string_view name, Node node, bool has_effect) {
    map_.entries.push_back({std::string(name), std::move(node), {}, has_effect});
  }

  Node& map_;
  bool has_effect_;
};

/// Every key of @p value, in the order of description; an item of a list of sections says only what
/// differs from what it starts from.
template <class Struct>
Node tree_of(Struct value) {
  return WriteFields::section_node(value, true);
}

}  // namespace tessera::config
