#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// A settings file as a plain tree that remembers where everything stood. Between the YAML library,
// which stays in yaml_*, and the readers and writers of structs.
namespace tessera::config {

/// Where a value was written: a file and its line, or an option of the command line.
struct Place {
  std::string origin;        ///< "configs/jobs/a.yaml", "--set quantize.seed"
  int line = 0;              ///< from 1; 0 where there are no lines
  std::string text() const;  ///< "configs/jobs/a.yaml:12"
};

struct Entry;

struct Node {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string text;        ///< of a scalar
  bool is_quoted = false;  ///< a scalar in quotes is a text, whatever it looks like
  std::vector<Node> items;
  std::vector<Entry> entries;  ///< in the order of the file; a key may stand there twice
  Place place;

  static Node scalar(std::string text, bool is_quoted = false);
  static Node list() { return of(Kind::list); }
  static Node map() { return of(Kind::map); }
  static Node of(Kind kind);
};

struct Entry {
  std::string key;
  Node value;
  Place place;             ///< of the key
  bool has_effect = true;  ///< when written from a struct: see without_effect()
};

/// Equal in what they say, wherever they stood.
bool same_content(const Node& a, const Node& b);

/// How many lists and sections stand in each other in @p node, itself included.
int depth_of(const Node& node);
/// About how many short values @p node takes the memory of.
std::size_t weight_of(const Node& node);

/// @p text on one line and not too long, for a message.
std::string printable(std::string_view text);
/// The value as a message shows it: 5, "two words", a list, a section, empty.
std::string display(const Node& node);

}  // namespace tessera::config
