#include "config/section_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tessera::config {

SectionReader::SectionReader(ReadContext& context, const Node& node, std::string path)
    : context_(context), node_(node), path_(std::move(path)), is_taken_(node.entries.size()) {
  context_.set_place(path_, node.place);
}

const Node* SectionReader::take(std::string_view name, const FieldNotes& notes) {
  known_.emplace_back(name);
  const std::string key = key_of(name);
  const Entry* first = nullptr;
  for (std::size_t i = 0; i < node_.entries.size(); ++i) {
    const Entry& entry = node_.entries[i];
    const bool is_alias = std::ranges::find(notes.aliases, entry.key) != notes.aliases.end();
    if (entry.key != name && !is_alias) continue;
    is_taken_[i] = true;
    if (first != nullptr) {
      context_.add_problem(
          entry.place, key,
          fmt::format("is given twice (first in line {}{}). Remove one.", first->place.line,
                      first->key == entry.key ? "" : ", as " + first->key));
      continue;
    }
    first = &entry;
    context_.set_place(key, entry.place);
    if (is_alias) context_.add_note(entry.place, fmt::format("{} is read as {}.", entry.key, key));
  }
  if (first == nullptr && notes.is_required) {
    context_.add_problem(node_.place, key, "is missing (it has no default). Add it.");
  }
  return first == nullptr ? nullptr : &first->value;
}

void SectionReader::report_unknown_keys() {
  for (std::size_t i = 0; i < node_.entries.size(); ++i) {
    if (!is_taken_[i]) context_.add_unknown_key(node_.entries[i], path_, known_);
  }
}

bool SectionReader::is_section(ReadContext& context, const Node& node, const std::string& path) {
  if (node.kind == Node::Kind::map || node.kind == Node::Kind::null) return true;
  context.add_wrong_kind(node, path, "a section of keys",
                         path.empty() ? "Write key: value lines." : "Write its keys below it.");
  return false;
}

}  // namespace tessera::config
