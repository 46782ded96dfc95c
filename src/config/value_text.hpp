#pragma once
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/document.hpp"
#include "core/describe.hpp"

// Values of fields as nodes and as words; the reader's counterpart. One overload for each kind of
// field that core/describe.hpp names, those with parts in terms of their parts.
namespace tessera::config {

template <class Value>
inline constexpr bool is_vector = false;
template <class Item>
inline constexpr bool is_vector<std::vector<Item>> = true;
template <class Value>
inline constexpr bool is_optional = false;
template <class Item>
inline constexpr bool is_optional<std::optional<Item>> = true;
template <class Value>
inline constexpr bool is_list_of_sections = false;
template <class Item>
inline constexpr bool is_list_of_sections<std::vector<Item>> = Described<Item>;

Node node_of(bool value, const FieldNotes& notes);
Node node_of(std::int64_t value, const FieldNotes& notes);
Node node_of(std::uint64_t value, const FieldNotes& notes);
Node node_of(double value,
             const FieldNotes& notes);  ///< the shortest text that reads back the same
Node node_of(const std::string& value, const FieldNotes& notes);
Node node_of(const std::filesystem::path& value, const FieldNotes& notes);

/// "5GB", "512MiB", "1000001": the largest unit that divides @p bytes.
std::string exact_bytes_text(std::uint64_t bytes);
/// A value on one line, as the reference page and the comparison of jobs show it: [a, b], 3,
/// "none".
std::string one_line(const Node& node);

template <class Enum>
std::vector<std::string> enum_names() {
  std::vector<std::string> names;
  for (const auto& [value, name] : EnumNames<Enum>::kNames) names.emplace_back(name);
  return names;
}

template <class Value>
requires(!Described<Value> && !is_list_of_sections<Value>) Node
    node_of_value(const Value& value, const FieldNotes& notes) {
  if constexpr (is_vector<Value>) {
    Node list = Node::list();
    for (const auto& item : value) list.items.push_back(node_of_value(item, notes));
    return list;
  } else if constexpr (is_optional<Value>) {
    return value ? node_of_value(*value, notes) : Node{};
  } else if constexpr (std::is_enum_v<Value>) {
    for (const auto& [named, name] : EnumNames<Value>::kNames) {
      if (named == value) return Node::scalar(std::string(name));
    }
    return Node{};
  } else if constexpr (std::same_as<Value, bool> || !std::integral<Value>) {
    return node_of(value, notes);
  } else if constexpr (std::unsigned_integral<Value>) {
    return node_of(static_cast<std::uint64_t>(value), notes);
  } else {
    return node_of(static_cast<std::int64_t>(value), notes);
  }
}

/// The kind of a field in words.
template <class Value>
std::string type_name(const Value& value, const FieldNotes& notes) {
  if constexpr (Described<Value>) {
    return "section";
  } else if constexpr (is_list_of_sections<Value>) {
    return "list of sections";
  } else if constexpr (is_vector<Value>) {
    return "list of " + type_name(typename Value::value_type{}, notes) + "s";
  } else if constexpr (is_optional<Value>) {
    return type_name(typename Value::value_type{}, notes);
  } else if constexpr (std::same_as<Value, bool>) {
    return "true or false";
  } else if constexpr (std::is_enum_v<Value>) {
    return "name";
  } else if constexpr (std::integral<Value>) {
    return notes.is_bytes ? "size" : "whole number";
  } else if constexpr (std::floating_point<Value>) {
    return "number";
  } else if constexpr (std::same_as<Value, std::filesystem::path>) {
    return "path";
  } else {
    static_assert(std::same_as<Value, std::string>, "a kind of field that describe.hpp lacks");
    static_cast<void>(value);
    return notes.is_pattern ? "pattern" : "text";
  }
}

template <class Value>
std::string default_text(const Value& value, const FieldNotes& notes) {
  if constexpr (Described<Value> || is_list_of_sections<Value>) {
    return {};
  } else {
    return one_line(node_of_value(value, notes));
  }
}

template <class Value>
std::string allowed_text([[maybe_unused]] const Value& value, const FieldNotes& notes) {
  if (notes.choice) return notes.choice->text;
  if (notes.range) return notes.range->text;
  if constexpr (std::is_enum_v<Value>) {
    std::string names;
    for (const auto& name : enum_names<Value>()) names += (names.empty() ? "" : ", ") + name;
    return names;
  }
  return {};
}

}  // namespace tessera::config
