#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/problem_list.hpp"
#include "config/schema.hpp"
#include "core/describe.hpp"

namespace tessera::config {

/// What the readers of all sections of one file share.
class ReadContext {
 public:
  explicit ReadContext(const std::vector<Section>& schema) : schema_(schema) {}

  /// Reports "@p key @p problem" at @p place, where problem goes on from the key.
  void add_problem(const Place& place, const std::string& key, std::string_view problem);
  /// Reports a value of the wrong kind: "key is VALUE (wanted is wanted). advice".
  void add_wrong_kind(const Node& node, const std::string& key, std::string_view wanted,
                      std::string_view advice);
  void add_unknown_key(const Entry& entry, const std::string& section,
                       const std::vector<std::string>& known);
  void add_note(const Place& place, const std::string& note);

  /// Remembers where @p key was given, for the checks that come later.
  void set_place(const std::string& key, const Place& place) { places_[key] = place; }
  /// Of the key, or of the nearest section around it.
  Place place_of(std::string_view key) const;

  std::size_t num_problems() const { return problems_.size(); }
  void throw_if_any() const { problems_.throw_if_any(); }
  std::vector<std::string> take_notes() { return std::move(notes_); }

 private:
  const std::vector<Section>& schema_;
  ProblemList problems_;
  std::vector<std::string> notes_;
  std::map<std::string, Place, std::less<>> places_;
};

/// Takes what check(Problems&, const Section&) reports.
class CheckProblems final : public Problems {
 public:
  CheckProblems(ReadContext& context, std::string section)
      : context_(context), section_(std::move(section)) {}
  void add(std::string_view key, const std::string& problem) override;

 private:
  ReadContext& context_;
  std::string section_;
};

/// "a" and "b" as "a.b"; the root section is "".
std::string join_key(std::string_view section, std::string_view name);

}  // namespace tessera::config
