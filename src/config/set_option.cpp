#include "config/set_option.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "config/yaml_parser.hpp"
#include "core/error.hpp"

namespace tessera::config {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> names;
  while (true) {
    const auto dot = path.find('.');
    names.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return names;
    path.remove_prefix(dot + 1);
  }
}

// The names under which the key @p name of a section is written; its own comes last when unknown.
bool is_same_key(const std::vector<Section>& schema, const std::string& section,
                 const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto found = std::ranges::find(schema, section, &Section::path);
  if (found == schema.end()) return false;
  return std::ranges::any_of(found->keys,
                             [&](const Key& key) { return key.has_name(a) && key.has_name(b); });
}

void move_to(Node& node, const Place& place) {
  node.place = place;
  for (Node& item : node.items) move_to(item, place);
  for (Entry& entry : node.entries) {
    entry.place = place;
    move_to(entry.value, place);
  }
}

// The section @p name of @p map, made when it is not there.
Node& section_in(Node& map, const std::string& name, const Place& place) {
  const auto found = std::ranges::find(map.entries, name, &Entry::key);
  if (found == map.entries.end()) {
    map.entries.push_back({name, Node::map(), place});
    map.entries.back().value.place = place;
    return map.entries.back().value;
  }
  if (found->value.kind == Node::Kind::null) found->value.kind = Node::Kind::map;
  return found->value;
}

}  // namespace

void apply_set_option(ReadContext& context, Node& root, const std::string& option,
                      const std::vector<Section>& schema) {
  const auto equals = option.find('=');
  const std::string path = option.substr(0, equals);
  const Place place{"--set " + printable(path), 0};
  const auto names = split(path);
  if (equals == std::string::npos || std::ranges::find(names, "") != names.end()) {
    context.add_problem({"--set " + printable(option), 0}, "this",
                        "is no setting (section.key=value is wanted). Write, for instance, "
                        "--set quantize.seed=3.");
    return;
  }

  Node value;
  try {
    value = parse_yaml("value: " + option.substr(equals + 1), place.origin, false);
  } catch (const InputError& error) {
    const std::string_view said = error.what();
    context.add_problem(place, "the value:", said.substr(place.origin.size() + 2));
    return;
  }
  if (value.entries.size() != 1) {
    context.add_problem(place, "the value", "holds more than one. Use one --set for each key.");
    return;
  }
  Node wanted = std::move(value.entries.front().value);
  move_to(wanted, place);

  Node* section = &root;
  std::string section_path;
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    section = &section_in(*section, names[i], place);
    section_path = join_key(section_path, names[i]);
    if (section->kind == Node::Kind::map) continue;
    context.add_problem(place, section_path,
                        fmt::format("is {} (keys of a section can be set). Set {} as a whole.",
                                    display(*section), section_path));
    return;
  }
  std::erase_if(section->entries, [&](const Entry& entry) {
    return is_same_key(schema, section_path, entry.key, names.back());
  });
  section->entries.push_back({names.back(), std::move(wanted), place});
}

}  // namespace tessera::config
