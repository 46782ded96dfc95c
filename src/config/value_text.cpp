#include "config/value_text.hpp"

#include <array>

#include <fmt/format.h>

namespace tessera::config {
namespace {

constexpr std::uint64_t kKilo = 1000;
constexpr std::uint64_t kKibi = 1024;

struct Unit {
  std::uint64_t bytes;
  std::string_view name;
};
constexpr std::array<Unit, 8> kUnits = {{{kKibi * kKibi * kKibi * kKibi, "TiB"},
                                         {kKilo * kKilo * kKilo * kKilo, "TB"},
                                         {kKibi * kKibi * kKibi, "GiB"},
                                         {kKilo * kKilo * kKilo, "GB"},
                                         {kKibi * kKibi, "MiB"},
                                         {kKilo * kKilo, "MB"},
                                         {kKibi, "KiB"},
                                         {kKilo, "kB"}}};

// In quotes where it could be taken for several items, so that two lists never look the same.
std::string list_item(const Node& item) {
  if (item.kind != Node::Kind::scalar) return one_line(item);
  const bool is_clear = !item.text.empty() && item.text.find_first_of(",\"") == std::string::npos;
  return is_clear ? item.text : fmt::format("{:?}", item.text);
}

}  // namespace

Node node_of(bool value, const FieldNotes& /*notes*/) {
  return Node::scalar(value ? "true" : "false");
}

Node node_of(std::int64_t value, const FieldNotes& notes) {
  if (notes.is_bytes && value >= 0) return node_of(static_cast<std::uint64_t>(value), notes);
  return Node::scalar(std::to_string(value));
}

Node node_of(std::uint64_t value, const FieldNotes& notes) {
  return Node::scalar(notes.is_bytes ? exact_bytes_text(value) : std::to_string(value));
}

Node node_of(double value, const FieldNotes& /*notes*/) {
  return Node::scalar(fmt::format("{}", value));
}

Node node_of(const std::string& value, const FieldNotes& /*notes*/) {
  return Node::scalar(value, true);
}

Node node_of(const std::filesystem::path& value, const FieldNotes& /*notes*/) {
  return Node::scalar(value.string(), true);
}

std::string exact_bytes_text(std::uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes > 0 && bytes % unit.bytes == 0) {
      return fmt::format("{}{}", bytes / unit.bytes, unit.name);
    }
  }
  return std::to_string(bytes);
}

std::string one_line(const Node& node) {
  if (node.kind == Node::Kind::null) return "none";
  if (node.kind == Node::Kind::scalar) return node.text;
  std::vector<std::string> items;
  for (const Node& item : node.items) items.push_back(list_item(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace tessera::config
