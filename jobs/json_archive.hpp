#pragma once
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/core.h>

#include "core/describe.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"

// Archives whose store is a JSON object: a type that walks its fields past an archive
// (`template <class Archive> void archive(Archive&, T&)`) is written and read by one function, as
// in the work files. Enums stand by their names (EnumNames), a missing optional and a number that
// is none are null.
namespace tessera::jobs {

template <class T>
JsonValue json_of(const T& value);
template <class T>
void take_json(const JsonValue& json, T& value);

class JsonWriter {
 public:
  static constexpr bool kIsReader = false;
  template <class T>
  void operator()(const char* key, T& value) {
    object_.set(key, json_of(value));
  }
  JsonValue&& take() { return std::move(object_); }

 private:
  JsonValue object_ = JsonValue::object();
};

/// A field that is missing or of another kind is an InputError that names it.
class JsonReader {
 public:
  static constexpr bool kIsReader = true;
  explicit JsonReader(const JsonValue& object) : object_(object) {}
  template <class T>
  void operator()(const char* key, T& value) {
    const JsonValue& field = object_.at(key);
    try {
      take_json(field, value);
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: {}", key, error.what()));
    }
  }

 private:
  const JsonValue& object_;
};

namespace detail {
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
}  // namespace detail

template <class T>
JsonValue json_of(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return JsonValue(value);
  } else if constexpr (std::is_enum_v<T>) {
    return JsonValue(name_of_value(value));
  } else if constexpr (detail::IsOptional<T>::value) {
    return value ? json_of(*value) : JsonValue();
  } else if constexpr (detail::IsList<T>::value) {
    JsonValue list = JsonValue::list();
    for (const auto& item : value) list.append(json_of(item));
    return list;
  } else if constexpr (detail::IsMap<T>::value) {
    JsonValue object = JsonValue::object();
    for (const auto& [key, item] : value) object.set(key, json_of(item));
    return object;
  } else {
    JsonWriter writer;
    // One function describes both directions, so it takes a mutable object; a writer changes none.
    archive(writer, const_cast<T&>(value));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    return writer.take();
  }
}

template <class T>
void take_json(const JsonValue& json, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = json.boolean();
  } else if constexpr (std::is_integral_v<T>) {
    if (!std::in_range<T>(json.integer())) throw InputError(json.to_text() + " is out of range");
    value = static_cast<T>(json.integer());
  } else if constexpr (std::is_floating_point_v<T>) {
    value = json.is_null() ? std::numeric_limits<T>::quiet_NaN() : json.number();
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = json.text();
  } else if constexpr (std::is_enum_v<T>) {
    const auto named = value_named<T>(json.text());
    if (!named) {
      throw InputError(fmt::format("\"{}\" is none of {}", json.text(), names_text<T>()));
    }
    value = *named;
  } else if constexpr (detail::IsOptional<T>::value) {
    value.reset();
    if (!json.is_null()) take_json(json, value.emplace());
  } else if constexpr (detail::IsList<T>::value) {
    value.clear();
    for (const JsonValue& item : json.items()) take_json(item, value.emplace_back());
  } else if constexpr (detail::IsMap<T>::value) {
    value.clear();
    for (const auto& [key, item] : json.entries()) take_json(item, value[key]);
  } else {
    JsonReader reader(json);
    archive(reader, value);
  }
}

}  // namespace tessera::jobs
