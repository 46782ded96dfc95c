#include "core/json_value.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace tessera {

using Json = nlohmann::ordered_json;

/// To and from the library's own type, which stays inside this file.
struct JsonConversion {
  static JsonValue from(const Json& json) {
    switch (json.type()) {
      case Json::value_t::boolean:
        return json.get<bool>();
      case Json::value_t::number_integer:
        return json.get<std::int64_t>();
      case Json::value_t::number_unsigned:
        if (json.get<std::uint64_t>() > INT64_MAX) return json.get<double>();
        return json.get<std::int64_t>();
      case Json::value_t::number_float:
        return json.get<double>();
      case Json::value_t::string:
        return json.get<std::string>();
      case Json::value_t::array: {
        JsonValue list = JsonValue::list();
        for (const Json& item : json) list.append(from(item));
        return list;
      }
      case Json::value_t::object: {
        JsonValue::Object entries;
        for (const auto& [key, value] : json.items()) entries.emplace_back(key, from(value));
        JsonValue object;
        object.value_ = std::move(entries);
        return object;
      }
      default:
        return {};
    }
  }

  static Json to(const JsonValue& value) {
    return std::visit([](const auto& held) { return to_json(held); }, value.value_);
  }

 private:
  static Json to_json(std::monostate) { return nullptr; }
  static Json to_json(const JsonValue::List& list) {
    Json json = Json::array();
    for (const JsonValue& item : list) json.push_back(to(item));
    return json;
  }
  static Json to_json(const JsonValue::Object& object) {
    Json::object_t json;  // ordered_json's object is a vector of pairs: no search for each key
    for (const auto& [key, value] : object) json.emplace_back(key, to(value));
    return json;
  }
  static Json to_json(const auto& scalar) { return scalar; }
};

namespace {

/// Refuses what the library would let pass: deep nesting (our own functions recurse) and double
/// keys.
class Strictness {
 public:
  explicit Strictness(const std::string& origin) : origin_(origin) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (depth >= JsonValue::kMaxDepth) {
      throw InputError(fmt::format("{} is nested deeper than {} levels. Is it the right file?",
                                   origin_, JsonValue::kMaxDepth));
    }
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto key = parsed.get<std::string>();
      if (!keys_.back().insert(key).second) {
        throw InputError(fmt::format("{} has the key \"{}\" twice in one object", origin_, key));
      }
    }
    return true;
  }

 private:
  const std::string& origin_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

JsonValue JsonValue::object() {
  JsonValue value;
  value.value_ = Object{};
  return value;
}

JsonValue JsonValue::list() {
  JsonValue value;
  value.value_ = List{};
  return value;
}

JsonValue JsonValue::parse(std::string_view text, const std::string& origin) {
  try {
    Strictness strictness(origin);
    return JsonConversion::from(Json::parse(text, std::ref(strictness)));
  } catch (const Json::parse_error& error) {
    throw InputError(fmt::format("{} is not valid JSON at byte {}", origin, error.byte));
  } catch (const Json::exception& error) {  // a number no type holds
    throw InputError(fmt::format("{} cannot be read as JSON ({})", origin, error.what()));
  }
}

JsonValue& JsonValue::set(std::string_view key, JsonValue value) {
  if (is_null()) value_ = Object{};
  require(is_object(), "only an object has keys");
  if (JsonValue* old = const_cast<JsonValue*>(find(key))) {
    *old = std::move(value);
  } else {
    std::get<Object>(value_).emplace_back(key, std::move(value));
  }
  return *this;
}

JsonValue& JsonValue::append(JsonValue value) {
  if (is_null()) value_ = List{};
  require(is_list(), "only a list can be appended to");
  std::get<List>(value_).push_back(std::move(value));
  return *this;
}

bool JsonValue::is_number() const {
  return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<double>(value_);
}

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  const auto found = std::ranges::find(*object, key, &Object::value_type::first);
  return found == object->end() ? nullptr : &found->second;
}

std::string JsonValue::kind() const {
  static constexpr const char* kKinds[] = {"null",   "a boolean", "a number", "a number",
                                           "a text", "a list",    "an object"};
  return kKinds[value_.index()];
}

const JsonValue& JsonValue::at(std::string_view key) const {
  if (!is_object())
    throw InputError(fmt::format("JSON: wanted an object with \"{}\", found {}", key, kind()));
  const JsonValue* found = find(key);
  if (found == nullptr) throw InputError(fmt::format("JSON: the key \"{}\" is missing", key));
  return *found;
}

const std::vector<JsonValue>& JsonValue::items() const {
  if (!is_list()) throw InputError("JSON: wanted a list, found " + kind());
  return std::get<List>(value_);
}

const std::vector<std::pair<std::string, JsonValue>>& JsonValue::entries() const {
  if (!is_object()) throw InputError("JSON: wanted an object, found " + kind());
  return std::get<Object>(value_);
}

const std::string& JsonValue::text() const {
  if (!is_text()) throw InputError("JSON: wanted a text, found " + kind());
  return std::get<std::string>(value_);
}

double JsonValue::number() const {
  if (const auto* whole = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value_)) return *real;
  throw InputError("JSON: wanted a number, found " + kind());
}

std::int64_t JsonValue::integer() const {
  if (const auto* whole = std::get_if<std::int64_t>(&value_)) return *whole;
  throw InputError("JSON: wanted a whole number, found " + (is_number() ? to_text() : kind()));
}

bool JsonValue::boolean() const {
  if (const auto* truth = std::get_if<bool>(&value_)) return *truth;
  throw InputError("JSON: wanted true or false, found " + kind());
}

std::string JsonValue::to_text(int indent) const {
  return JsonConversion::to(*this).dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera
