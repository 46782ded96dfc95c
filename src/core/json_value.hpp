#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tessera {

/// A JSON document in memory, for reports, journals and what the program prints. Keys keep the
/// order in which they were set, so that equal values give equal bytes.
///
///     JsonValue report = JsonValue::object();
///     report.set("bits_per_weight", 2.04).set("output", "models/x");
///     std::string line = report.to_text();
class JsonValue {
 public:
  JsonValue() = default;  ///< null
  JsonValue(bool value) : value_(value) {}
  JsonValue(std::integral auto value) : value_(static_cast<std::int64_t>(value)) {}
  JsonValue(double value) : value_(value) {}
  JsonValue(std::string value) : value_(std::move(value)) {}
  JsonValue(std::string_view value) : value_(std::string(value)) {}
  JsonValue(const char* value) : value_(std::string(value)) {}

  static JsonValue object();
  static JsonValue list();
  /// Reads one document. Throws InputError naming @p origin and the byte at fault; nesting beyond
  /// kMaxDepth, trailing text and duplicate keys are refused, whole numbers beyond 63 bits become
  /// reals.
  static JsonValue parse(std::string_view text, const std::string& origin);
  static constexpr int kMaxDepth = 100;

  /// Sets a key of an object (null becomes one); a key that is there keeps its place.
  JsonValue& set(std::string_view key, JsonValue value);
  /// Appends to a list (null becomes one).
  JsonValue& append(JsonValue value);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_list() const { return std::holds_alternative<List>(value_); }
  bool is_number() const;
  bool is_text() const { return std::holds_alternative<std::string>(value_); }
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  /// Readers. Each throws InputError saying what was found instead, or which key is missing.
  const JsonValue& at(std::string_view key) const;
  const std::vector<JsonValue>& items() const;
  const std::vector<std::pair<std::string, JsonValue>>& entries() const;
  const std::string& text() const;
  double number() const;         ///< whole numbers too
  std::int64_t integer() const;  ///< a whole number
  bool boolean() const;

  /// One line, or indented by @p indent spaces a level. Real numbers are written so that they read
  /// back exactly; NaN and infinity, which JSON has no words for, as null; bytes that are no UTF-8
  /// are replaced.
  std::string to_text(int indent = -1) const;

 private:
  using List = std::vector<JsonValue>;
  using Object = std::vector<std::pair<std::string, JsonValue>>;
  friend struct JsonConversion;

  const JsonValue* find(std::string_view key) const;
  std::string kind() const;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Object> value_;
};

}  // namespace tessera
