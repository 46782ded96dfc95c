#include "model/config_fields.hpp"

#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

/// The value as it stands in the file, cut when it is long.
std::string shown(const JsonValue& value) {
  constexpr std::size_t kMaxShown = 80;
  std::string text = value.to_text();
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

bool is_whole(const JsonValue& value) {
  if (!value.is_number()) return false;
  try {
    static_cast<void>(value.integer());
    return true;
  } catch (const InputError&) {
    return false;
  }
}

}  // namespace

ConfigFields::ConfigFields(const JsonValue& object, std::string origin, std::string path)
    : object_(object), origin_(std::move(origin)), path_(std::move(path)) {
  require_input(object.is_object(),
                fmt::format("{}: {}{} is {} (an object is expected)", origin_,
                            path_.empty() ? "the file" : "", path_, shown(object)));
}

void ConfigFields::fail(std::string_view key, const std::string& problem) const {
  throw InputError(fmt::format("{}: {}{} {}", origin_, path_, key, problem));
}

bool ConfigFields::has(std::string_view key) const {
  return object_.contains(key) && !object_.at(key).is_null();
}

bool ConfigFields::is_null(std::string_view key) const {
  return object_.contains(key) && object_.at(key).is_null();
}

const JsonValue& ConfigFields::at(std::string_view key) const {
  if (!has(key)) fail(key, "is missing. Is this a language model's config.json?");
  return object_.at(key);
}

std::size_t ConfigFields::size(std::string_view key, std::size_t high) const {
  const JsonValue& value = at(key);
  const bool fits =
      is_whole(value) && value.integer() >= 1 && static_cast<std::size_t>(value.integer()) <= high;
  if (!fits)
    fail(key, fmt::format("is {} (a whole number from 1 to {} is expected)", shown(value), high));
  return static_cast<std::size_t>(value.integer());
}

std::size_t ConfigFields::size_or(std::string_view key, std::size_t high,
                                  std::size_t fallback) const {
  return has(key) ? size(key, high) : fallback;
}

double ConfigFields::number(std::string_view key, double low) const {
  const JsonValue& value = at(key);
  const bool fits = value.is_number() && std::isfinite(value.number()) &&
                    (low == 0 ? value.number() > 0 : value.number() >= low);
  if (!fits) {
    fail(key, fmt::format("is {} (a number {} {:g} is expected)", shown(value),
                          low == 0 ? "above" : "of at least", low));
  }
  return value.number();
}

double ConfigFields::number_or(std::string_view key, double low, double fallback) const {
  return has(key) ? number(key, low) : fallback;
}

bool ConfigFields::flag_or(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  const std::string text = at(key).to_text();
  if (text != "true" && text != "false") {
    fail(key, fmt::format("is {} (true or false is expected)", shown(at(key))));
  }
  return text == "true";
}

std::string ConfigFields::text(std::string_view key) const {
  const JsonValue& value = at(key);
  if (!value.is_text()) fail(key, fmt::format("is {} (a text is expected)", shown(value)));
  return value.text();
}

std::string ConfigFields::text_or(std::string_view key, std::string fallback) const {
  return has(key) ? text(key) : std::move(fallback);
}

ConfigFields ConfigFields::object(std::string_view key) const {
  return {at(key), origin_, fmt::format("{}{}.", path_, key)};
}

}  // namespace tessera::model
