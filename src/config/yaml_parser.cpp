#include "config/yaml_parser.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "config/utf8.hpp"
#include "core/error.hpp"

namespace tessera::config {
namespace {

// Builds the tree from the parser's events, so that every bound holds before the memory is spent.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string origin, bool has_lines)
      : origin_(std::move(origin)), has_lines_(has_lines) {}

  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(has_document_, true)) {
      fail(mark, "a second YAML document begins (one file holds one). Remove the line ---");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, Node::of(Node::Kind::null), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    add(mark, Node::scalar(value, tag == "!"), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) {
      fail(mark, "a YAML alias stands inside what it names. Write the values out");
    }
    const Node& named = found->second;
    require_depth(mark, static_cast<int>(open_.size()) + depth_of(named));
    add(mark, named, YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& problem) const {
    throw InputError(fmt::format("{}: {}.", place(mark).text(), problem));
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    YAML::Mark mark;
    bool has_key = false;  // of a map: a key waits for its value
  };

  Place place(const YAML::Mark& mark) const {
    return {origin_, has_lines_ && !mark.is_null() ? mark.line + 1 : 0};
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail(mark, fmt::format("the YAML tag {} is not understood (types follow from the keys). "
                           "Remove it",
                           printable(tag)));
  }

  void require_depth(const YAML::Mark& mark, int depth) const {
    if (depth <= kMostNesting) return;
    fail(mark, fmt::format("lists and sections stand {} deep in each other (at most {} are read). "
                           "This is no settings file",
                           depth, kMostNesting));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    refuse_tag(mark, tag);
    require_depth(mark, static_cast<int>(open_.size()) + 1);
    spend(mark, 1);
    if (is_key_expected()) {
      fail(mark, "a list or section stands where a key is expected. Write a key");
    }
    open_.push_back({Node::of(kind), anchor, mark});
    open_.back().node.place = place(mark);
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    if (closed.anchor != YAML::NullAnchor) keep(closed.mark, closed.anchor, closed.node);
    attach(std::move(closed.node));
  }

  void add(const YAML::Mark& mark, Node node, YAML::anchor_t anchor) {
    spend(mark, weight_of(node));
    node.place = place(mark);
    if (anchor != YAML::NullAnchor) keep(mark, anchor, node);
    if (!is_key_expected()) return attach(std::move(node));
    if (node.kind != Node::Kind::scalar) fail(mark, "a key is expected here. Write one");
    open_.back().node.entries.push_back({std::move(node.text), {}, node.place});
    open_.back().has_key = true;
  }

  void keep(const YAML::Mark& mark, YAML::anchor_t anchor, const Node& node) {
    spend(mark, weight_of(node));
    anchored_[anchor] = node;
  }

  void spend(const YAML::Mark& mark, std::size_t weight) {
    weight_ += weight;
    if (weight_ <= kMostValues) return;
    fail(mark, fmt::format("the file holds more than {} values, YAML aliases written out. This is "
                           "no settings file",
                           kMostValues));
  }

  bool is_key_expected() const {
    return !open_.empty() && open_.back().node.kind == Node::Kind::map && !open_.back().has_key;
  }

  void attach(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node.kind == Node::Kind::list) {
      open_.back().node.items.push_back(std::move(node));
    } else {
      Entry& entry = open_.back().node.entries.back();
      // What has no text of its own stands, for people, where its key stands.
      if (node.kind != Node::Kind::scalar) node.place = entry.place;
      entry.value = std::move(node);
      open_.back().has_key = false;
    }
  }

  std::string origin_;
  bool has_lines_;
  bool has_document_ = false;
  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchored_;
  std::size_t weight_ = 0;
};

// The library lets bytes pass that are no characters; a path of them could not be written back.
void require_text(const std::string& text, const TreeBuilder& builder) {
  const std::size_t bad = find_no_text(text);
  if (bad == text.size()) return;
  YAML::Mark mark;
  mark.line = static_cast<int>(
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n'));
  builder.fail(mark, fmt::format("the byte 0x{:02x} is no text (UTF-8 is read). Save the file as "
                                 "UTF-8",
                                 static_cast<unsigned char>(text[bad])));
}

}  // namespace

Node parse_yaml(const std::string& text, const std::string& origin, bool has_lines) {
  TreeBuilder builder(origin, has_lines);
  if (text.size() > kMostBytes) {
    throw InputError(
        fmt::format("{}: the text has {} bytes (at most {} are read). This is no "
                    "settings file.",
                    origin, text.size(), kMostBytes));
  }
  require_text(text, builder);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    builder.fail(error.mark, fmt::format("this is not YAML ({}). Mend it here or just above",
                                         printable(error.msg)));
  }
  Node root = builder.take_root();
  if (root.kind == Node::Kind::null) root = Node::map();
  if (root.place.origin.empty()) root.place = {origin, has_lines ? 1 : 0};
  return root;
}

}  // namespace tessera::config
