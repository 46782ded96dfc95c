#include "config/yaml_writer.hpp"

#include <algorithm>

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>

namespace tessera::config {
namespace {

// Texts that no YAML reader takes for anything else; the rest goes in quotes.
bool is_plainly_text(const std::string& text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_usual = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/';
  };
  static constexpr std::string_view kOtherThings[] = {"true", "false", "yes", "no", "on",
                                                      "off",  "null",  "nan", "inf"};
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text.size() > 1 && is_letter(text.front()) && std::ranges::all_of(text, is_usual) &&
         std::ranges::find(kOtherThings, lower) == std::end(kOtherThings);
}

void emit(YAML::Emitter& out, const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      out << YAML::Null;
      return;
    case Node::Kind::scalar:
      if (node.is_quoted && !is_plainly_text(node.text)) out << YAML::SingleQuoted;
      out << node.text;
      return;
    case Node::Kind::list: {
      const bool is_flat = std::ranges::all_of(
          node.items, [](const Node& item) { return item.kind == Node::Kind::scalar; });
      if (is_flat) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const Node& item : node.items) emit(out, item);
      out << YAML::EndSeq;
      return;
    }
    case Node::Kind::map:
      if (node.entries.empty()) out << YAML::Flow;
      out << YAML::BeginMap;
      for (const Entry& entry : node.entries) {
        out << YAML::Key << entry.key << YAML::Value;
        emit(out, entry.value);
      }
      out << YAML::EndMap;
      return;
  }
}

}  // namespace

std::string yaml_text(const Node& root) {
  YAML::Emitter out;
  emit(out, root);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace tessera::config
