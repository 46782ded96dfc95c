#include "config/reference_page.hpp"

#include <fmt/format.h>

namespace tessera::config {
namespace {

std::string code(std::string_view text) {
  return fmt::format("`{}`", text);
}

// A bar would end the table's cell.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

std::string default_cell(const Key& key) {
  if (key.notes.is_required) return "required";
  if (key.type.ends_with("section") || key.type.ends_with("sections")) return "";
  const bool is_nothing = key.default_value.empty() || key.default_value == "[]";
  return is_nothing || key.default_value == "none" ? "none" : code(key.default_value);
}

std::string meaning_cell(const Key& key) {
  std::string meaning = cell(key.text);
  const bool goes_on = !key.notes.has_effect || !key.notes.aliases.empty();
  if (goes_on && meaning.ends_with('.')) meaning.pop_back();  // a section's is a sentence
  if (!key.notes.has_effect) meaning += "; without effect on the result";
  for (std::size_t i = 0; i < key.notes.aliases.size(); ++i) {
    meaning += (i == 0 ? "; also read as " : ", ") + code(key.notes.aliases[i]);
  }
  return meaning;
}

// A field's text is the beginning of a sentence when it stands alone.
std::string sentence(std::string text) {
  if (text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text.ends_with('.') ? text : text + ".";
}

std::string table(const Section& section) {
  std::string rows =
      "| key | type | default | allowed | meaning |\n| --- | --- | --- | --- | --- |\n";
  for (const Key& key : section.keys) {
    rows += fmt::format("| {} | {} | {} | {} | {} |\n", code(key.name), key.type, default_cell(key),
                        cell(key.allowed), meaning_cell(key));
  }
  return rows;
}

}  // namespace

std::string reference_page(std::string_view introduction, const std::vector<Section>& schema) {
  std::string page(introduction);
  for (const Section& section : schema) {
    page += section.path.empty() ? "\n## Sections\n\n" : fmt::format("\n## {}\n\n", section.path);
    if (!section.text.empty()) page += sentence(section.text) + "\n\n";
    if (!section.same_as.empty()) {
      page += fmt::format("The keys of `{}`.\n", section.same_as);
      continue;
    }
    page += table(section);
  }
  return page;
}

}  // namespace tessera::config
