#pragma once
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/scalar_reader.hpp"
#include "config/schema.hpp"
#include "config/section_reader.hpp"
#include "config/set_option.hpp"
#include "config/yaml_parser.hpp"

// Reads any described struct (core/describe.hpp) from YAML. Everything that is wrong is reported at
// once, in one InputError with a line for each problem:
//     configs/jobs/a.yaml:12: quantize.vptq.vector_len is 17 (it must be between 1 and 16). Lower
//     it.
// A section's check() runs when the section was read cleanly, so that it sees values in their
// ranges.
namespace tessera::config {

template <class Struct>
struct Reading {
  Struct value;
  std::vector<std::string> notes;  ///< keys read under another name, a sentence each
};

template <class Value>
void read_value(ReadContext& context, const Node& node, const std::string& key,
                const FieldNotes& notes, Value& value);

/// The visitor that fills one section.
class ReadFields {
 public:
  explicit ReadFields(SectionReader& section) : section_(section) {}

  template <class Value, class... Notes>
  void operator()(std::string_view name, Value& value, std::string_view text,
                  const Notes&... notes);

 private:
  SectionReader& section_;
};

/// Reads the keys of a section into @p value and checks it.
template <class Struct>
void read_section(ReadContext& context, const Node& node, const std::string& path, Struct& value) {
  const std::size_t problems_before = context.num_problems();
  if (!SectionReader::is_section(context, node, path)) return;
  SectionReader section(context, node, path);
  ReadFields fields(section);
  describe(fields, value);
  section.report_unknown_keys();
  if constexpr (Checked<Struct>) {
    if (context.num_problems() != problems_before) return;
    CheckProblems problems(context, path);
    check(problems, std::as_const(value));
  }
}

/// Reads a list of sections, each starting from @p start; a list replaces what stood there before.
template <class Item>
void read_sections(ReadContext& context, const Node& node, const std::string& key,
                   std::vector<Item>& value, const Item& start) {
  if (node.kind != Node::Kind::list) {
    context.add_wrong_kind(node, key, "a list of sections", "Begin each of them with a dash.");
    return;
  }
  value.clear();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    read_section(context, node.items[i], key + "[" + std::to_string(i) + "]",
                 value.emplace_back(start));
  }
}

/// Reads a list; a single value stands for a list of one.
template <class Item>
void read_list(ReadContext& context, const Node& node, const std::string& key,
               const FieldNotes& notes, std::vector<Item>& value) {
  if (node.kind != Node::Kind::list && node.kind != Node::Kind::scalar) {
    context.add_wrong_kind(node, key, "a list", "Write it as [first, second].");
    return;
  }
  const std::size_t num_items = node.kind == Node::Kind::list ? node.items.size() : 1;
  value.clear();
  for (std::size_t i = 0; i < num_items; ++i) {
    const Node& item = node.kind == Node::Kind::list ? node.items[i] : node;
    const std::string item_key = key + "[" + std::to_string(i) + "]";
    context.set_place(item_key, item.place);
    Item read{};
    read_value(context, item, item_key, notes, read);
    value.push_back(std::move(read));
  }
}

template <class Value>
void read_value(ReadContext& context, const Node& node, const std::string& key,
                const FieldNotes& notes, Value& value) {
  if constexpr (is_vector<Value>) {
    read_list(context, node, key, notes, value);
  } else if constexpr (is_optional<Value>) {
    value.reset();
    if (node.kind != Node::Kind::null) read_value(context, node, key, notes, value.emplace());
  } else if constexpr (std::is_enum_v<Value>) {
    if (const auto index = read_name(context, node, key, enum_names<Value>())) {
      value = EnumNames<Value>::kNames[*index].first;
    }
  } else if constexpr (std::integral<Value> && !std::same_as<Value, bool>) {
    using Limits = std::numeric_limits<Value>;
    const auto most = static_cast<std::uint64_t>(Limits::max());
    const WholeLimits limits{std::signed_integral<Value> ? most + 1 : 0, most};
    if (const auto number = read_whole_number(context, node, key, notes, limits)) {
      const std::uint64_t bits = number->is_negative ? 0 - number->magnitude : number->magnitude;
      value = static_cast<Value>(bits);
    }
  } else {
    read_scalar(context, node, key, notes, value);
  }
}

/// Of the notes, what a list's new items start from; else a fresh item.
template <class Item>
Item prototype_of() {
  return {};
}
template <class Item, class First, class... Rest>
Item prototype_of(const First& first, const Rest&... rest) {
  if constexpr (std::same_as<First, Prototype<Item>>) {
    return first.item;
  } else {
    return prototype_of<Item>(rest...);
  }
}

template <class Value, class... Notes>
void ReadFields::operator()(std::string_view name, Value& value, std::string_view /*text*/,
                            const Notes&... notes) {
  const auto field = FieldNotes::from(notes...);
  const Node* node = section_.take(name, field);
  const std::string key = section_.key_of(name);
  if constexpr (Described<Value>) {
    Node absent = Node::map();  // read all the same, for required keys and checks
    absent.place = section_.node().place;
    read_section(section_.context(), node == nullptr ? absent : *node, key, value);
  } else if constexpr (is_list_of_sections<Value>) {
    using Item = typename Value::value_type;
    if (node != nullptr) {
      read_sections(section_.context(), *node, key, value, prototype_of<Item>(notes...));
    }
  } else if (node != nullptr) {
    read_value(section_.context(), *node, key, field, value);
  }
}

/// Reads @p yaml with @p set_options ("a.b.c=value") over it; @p origin names the text in messages.
template <class Struct>
Reading<Struct> read_with_options(const std::string& yaml, const std::string& origin,
                                  std::span<const std::string> set_options) {
  const auto schema = schema_of<Struct>();
  ReadContext context(schema);
  Node root = parse_yaml(yaml, origin);
  for (const std::string& option : set_options) apply_set_option(context, root, option, schema);
  Reading<Struct> reading;
  read_section(context, root, "", reading.value);
  context.throw_if_any();
  reading.notes = context.take_notes();
  return reading;
}

template <class Struct>
Struct read_text(const std::string& yaml, const std::string& origin) {
  return read_with_options<Struct>(yaml, origin, {}).value;
}

/// The bytes of a settings file. @throws InputError when it cannot be read or is too large
std::string load_settings_text(const std::filesystem::path& file);

template <class Struct>
Reading<Struct> read_file(const std::filesystem::path& file,
                          std::span<const std::string> set_options = {}) {
  return read_with_options<Struct>(load_settings_text(file), file.string(), set_options);
}

}  // namespace tessera::config
