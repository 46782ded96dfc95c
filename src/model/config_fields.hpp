#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "core/json_value.hpp"

namespace tessera::model {

/// Reads the keys of one object of a config.json. As in Python's readers, null is the same as a key
/// that is not there. Every method throws InputError with file, key, value and what is expected.
class ConfigFields {
 public:
  /// @p origin names the file, @p path the object in it: "" or "rope_scaling.".
  ConfigFields(const JsonValue& object, std::string origin, std::string path = "");

  bool has(std::string_view key) const;
  /// The key is there, as null: some families give that a meaning of its own.
  bool is_null(std::string_view key) const;

  /// A whole number from 1 to @p high.
  std::size_t size(std::string_view key, std::size_t high) const;
  std::size_t size_or(std::string_view key, std::size_t high, std::size_t fallback) const;
  /// A number that is at least @p low (more than it when low is 0) and finite.
  double number(std::string_view key, double low) const;
  double number_or(std::string_view key, double low, double fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;
  std::string text(std::string_view key) const;
  std::string text_or(std::string_view key, std::string fallback) const;
  /// An object below this one.
  ConfigFields object(std::string_view key) const;
  const JsonValue& at(std::string_view key) const;

  /// Throws: "<origin>: <path><key> <problem>".
  [[noreturn]] void fail(std::string_view key, const std::string& problem) const;

 private:
  const JsonValue& object_;
  std::string origin_;
  std::string path_;
};

}  // namespace tessera::model
