#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeindex>
#include <vector>

#include "config/value_text.hpp"
#include "core/describe.hpp"

// The keys of a described struct as data: for hints, for --set and for the reference page.
namespace tessera::config {

struct Key {
  std::string name;
  std::string type;           ///< "whole number", "list of paths"; "section" when the key opens one
  std::string default_value;  ///< empty for a section, or when nothing stands there by default
  std::string allowed;        ///< "at least 1", "float16, bfloat16, float32"; may be empty
  std::string text;
  FieldNotes notes;

  /// Whether people write it so: under its name or an alias.
  bool has_name(std::string_view written) const {
    return name == written || std::ranges::find(notes.aliases, written) != notes.aliases.end();
  }
};

struct Section {
  std::string
      path;  ///< "" for the root, "quantize.vptq", "quantize.overrides[]" for a list's items
  std::string text;
  std::vector<Key> keys;
  std::string same_as;  ///< the path of an earlier section of the same type, whose keys these are
};

/// The visitor that gathers them, depth first.
class SchemaFields {
 public:
  SchemaFields(std::vector<Section>& sections, std::vector<std::type_index>& types,
               std::size_t current)
      : sections_(sections), types_(types), current_(current) {}

  template <class Value, class... Notes>
  void operator()(std::string_view name, Value& value, std::string_view text,
                  const Notes&... notes) {
    const auto field = FieldNotes::from(notes...);
    section().keys.push_back({std::string(name), type_name(value, field),
                              default_text(value, field), allowed_text(value, field),
                              std::string(text), field});
    const std::string path =
        section().path.empty() ? std::string(name) : section().path + "." + std::string(name);
    if constexpr (Described<Value>) {
      gather(sections_, types_, path, text, value);
    } else if constexpr (is_list_of_sections<Value>) {
      typename Value::value_type item;
      gather(sections_, types_, path + "[]", text, item);
    }
  }

  template <class Struct>
  static void gather(std::vector<Section>& sections, std::vector<std::type_index>& types,
                     const std::string& path, std::string_view text, Struct& value) {
    const std::type_index type(typeid(Struct));
    const auto earlier = std::ranges::find(types, type);
    const std::size_t current = sections.size();
    sections.push_back({path, std::string(text), {}, {}});
    if (earlier != types.end()) {
      sections[current].same_as = sections[static_cast<std::size_t>(earlier - types.begin())].path;
    }
    types.push_back(type);
    SchemaFields fields(sections, types, current);
    describe(fields, value);
  }

 private:
  Section& section() { return sections_[current_]; }

  std::vector<Section>& sections_;
  std::vector<std::type_index>& types_;
  std::size_t current_;
};

/// All sections of Struct, the root first, each before those inside it, in the order of
/// description.
template <class Struct>
std::vector<Section> schema_of() {
  std::vector<Section> sections;
  std::vector<std::type_index> types;
  Struct defaults;
  SchemaFields::gather(sections, types, "", "", defaults);
  return sections;
}

}  // namespace tessera::config
