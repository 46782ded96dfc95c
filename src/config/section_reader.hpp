#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/read_context.hpp"

namespace tessera::config {

/// Hands out the values of one section by name and notices what nobody asked for.
class SectionReader {
 public:
  /// @p node is a map, and stays where it is while this lives.
  SectionReader(ReadContext& context, const Node& node, std::string path);

  /// The value of @p name or of one of its aliases, which is noted; nullptr when the key is not
  /// given. Reports a required key that is missing, and a key that is given twice.
  const Node* take(std::string_view name, const FieldNotes& notes);
  /// Reports every key that nobody took.
  void report_unknown_keys();

  std::string key_of(std::string_view name) const { return join_key(path_, name); }
  ReadContext& context() const { return context_; }
  const Node& node() const { return node_; }

  /// Whether @p node can be read as a section; nothing at all is an empty one. Reports it when not.
  static bool is_section(ReadContext& context, const Node& node, const std::string& path);

 private:
  ReadContext& context_;
  const Node& node_;
  std::string path_;
  std::vector<std::string> known_;
  std::vector<bool> is_taken_;
};

}  // namespace tessera::config
