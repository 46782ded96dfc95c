#include "config/read_context.hpp"

#include <fmt/format.h>

#include "config/near_match.hpp"

namespace tessera::config {
namespace {

// The key's own name in another section: a key of the right name in the wrong place.
std::string key_elsewhere(const std::vector<Section>& schema, std::string_view name) {
  for (const Section& section : schema) {
    for (const Key& key : section.keys) {
      if (key.has_name(name)) return join_key(section.path, key.name);
    }
  }
  return {};
}

}  // namespace

std::string join_key(std::string_view section, std::string_view name) {
  return section.empty() ? std::string(name) : fmt::format("{}.{}", section, name);
}

void ReadContext::add_problem(const Place& place, const std::string& key,
                              std::string_view problem) {
  problems_.add(place, key.empty() ? fmt::format("the file {}", problem)
                                   : fmt::format("{} {}", key, problem));
}

void ReadContext::add_wrong_kind(const Node& node, const std::string& key, std::string_view wanted,
                                 std::string_view advice) {
  add_problem(node.place, key,
              fmt::format("is {} ({} is wanted). {}", display(node), wanted, advice));
}

void ReadContext::add_unknown_key(const Entry& entry, const std::string& section,
                                  const std::vector<std::string>& known) {
  const std::string key = join_key(section, printable(entry.key));
  std::string hint;
  if (const auto near = near_match(entry.key, known); near < known.size()) {
    hint = fmt::format("Did you mean {}?", known[near]);
  } else if (const auto elsewhere = key_elsewhere(schema_, entry.key); !elsewhere.empty()) {
    hint = fmt::format("Did you mean {}?", elsewhere);
  } else {
    hint = fmt::format("Remove it, or choose one of {}.", fmt::join(known, ", "));
  }
  problems_.add(entry.place, fmt::format("unknown key {}. {}", key, hint));
}

void ReadContext::add_note(const Place& place, const std::string& note) {
  notes_.push_back(fmt::format("{}: {}", place.text(), note));
}

Place ReadContext::place_of(std::string_view key) const {
  while (true) {
    if (const auto found = places_.find(key); found != places_.end()) return found->second;
    const auto end = key.find_last_of(".[");
    if (end == std::string_view::npos) break;
    key = key.substr(0, end);
  }
  const auto root = places_.find(std::string_view{});
  return root == places_.end() ? Place{} : root->second;
}

void CheckProblems::add(std::string_view key, const std::string& problem) {
  const std::string full = join_key(section_, key);
  context_.add_problem(context_.place_of(full), full, problem);
}

}  // namespace tessera::config
