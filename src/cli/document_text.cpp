#include "cli/document_text.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/human_text.hpp"

namespace tessera::cli {
namespace {

bool is_whole(const JsonValue& value) {
  return value.is_number() && value.to_text().find_first_of(".eE") == std::string::npos;
}

std::string words_for(const std::string& key, const JsonValue& value) {
  if (value.is_null()) return "-";
  if (value.is_text()) return value.text();
  if (key.find("bytes") != std::string::npos && is_whole(value)) return bytes_text(value.number());
  if (value.is_number() && !is_whole(value)) return fmt::format("{:.4g}", value.number());
  if (value.is_list()) {
    std::string words;
    for (const JsonValue& item : value.items()) {
      words += (words.empty() ? "" : " x ") + words_for(key, item);
    }
    return words.empty() ? "-" : words;
  }
  return value.to_text();
}

bool is_table(const JsonValue& value) {
  return value.is_list() && !value.items().empty() && value.items().front().is_object();
}

struct Column {
  std::string name;
  std::vector<std::string> cells;
  bool is_numeric = true;
  std::size_t width = 0;
};

std::string table_text(const std::string& title, const std::vector<JsonValue>& rows) {
  std::vector<Column> columns;
  for (const auto& [key, value] : rows.front().entries()) {
    columns.push_back({key, {}, true, key.size()});
  }
  for (const JsonValue& row : rows) {
    for (Column& column : columns) {
      const JsonValue& value = row.at(column.name);
      column.cells.push_back(words_for(column.name, value));
      column.width = std::max(column.width, column.cells.back().size());
      column.is_numeric = column.is_numeric && (value.is_number() || value.is_null());
    }
  }
  std::string text = fmt::format("\n{} ({})\n", title, rows.size());
  const auto add_line = [&](const auto& cell_of) {
    std::string line = " ";
    for (const Column& column : columns) {
      line += column.is_numeric ? fmt::format(" {:>{}} ", cell_of(column), column.width)
                                : fmt::format(" {:<{}} ", cell_of(column), column.width);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([](const Column& column) { return column.name; });
  for (std::size_t r = 0; r < rows.size(); ++r) {
    add_line([r](const Column& column) { return column.cells[r]; });
  }
  return text;
}

}  // namespace

std::string document_text(const JsonValue& document) {
  std::vector<std::pair<std::string, std::string>> facts;
  std::string tables;
  for (const auto& [key, value] : document.entries()) {
    if (is_table(value)) {
      tables += table_text(key, value.items());
    } else if (value.is_object()) {
      for (const auto& [inner, fact] : value.entries())
        facts.emplace_back(inner, words_for(inner, fact));
    } else {
      facts.emplace_back(key, words_for(key, value));
    }
  }
  std::size_t width = 0;
  for (const auto& fact : facts) width = std::max(width, fact.first.size());
  std::string text;
  for (const auto& [name, words] : facts) text += fmt::format("{:<{}}  {}\n", name, width, words);
  return text + tables;
}

}  // namespace tessera::cli
