#include "config/document.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tessera::config {
namespace {

constexpr std::size_t kLongestValueShown = 60;
constexpr std::size_t kBytesPerValue = 64;  // a long text weighs as much as several values

std::size_t weight_of_text(std::string_view text) {
  return 1 + text.size() / kBytesPerValue;
}

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

}  // namespace

std::string Place::text() const {
  return line > 0 ? fmt::format("{}:{}", origin, line) : origin;
}

Node Node::of(Kind kind) {
  Node node;
  node.kind = kind;
  return node;
}

Node Node::scalar(std::string text, bool is_quoted) {
  Node node = of(Kind::scalar);
  node.text = std::move(text);
  node.is_quoted = is_quoted;
  return node;
}

bool same_content(const Node& a, const Node& b) {
  const auto same_entry = [](const Entry& x, const Entry& y) {
    return x.key == y.key && same_content(x.value, y.value);
  };
  return a.kind == b.kind && a.text == b.text && a.is_quoted == b.is_quoted &&
         std::ranges::equal(a.items, b.items, same_content) &&
         std::ranges::equal(a.entries, b.entries, same_entry);
}

int depth_of(const Node& node) {
  int depth = 0;
  for (const Node& item : node.items) depth = std::max(depth, depth_of(item));
  for (const Entry& entry : node.entries) depth = std::max(depth, depth_of(entry.value));
  return depth + 1;
}

std::size_t weight_of(const Node& node) {
  std::size_t weight = weight_of_text(node.text);
  for (const Node& item : node.items) weight += weight_of(item);
  for (const Entry& entry : node.entries) {
    weight += weight_of_text(entry.key) + weight_of(entry.value);
  }
  return weight;
}

std::string printable(std::string_view text) {
  std::string_view shown = text.substr(0, kLongestValueShown);
  while (shown.size() < text.size() && !shown.empty() && is_continuation(text[shown.size()])) {
    shown.remove_suffix(1);  // never half a character
  }
  std::string line;
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  if (shown.size() < text.size()) line += "...";
  return line;
}

std::string display(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "empty";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a section";
    case Node::Kind::scalar:
      break;
  }
  const bool needs_quotes =
      node.is_quoted || node.text.empty() || node.text.find(' ') != std::string::npos;
  return needs_quotes ? fmt::format("\"{}\"", printable(node.text)) : printable(node.text);
}

}  // namespace tessera::config
