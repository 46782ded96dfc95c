#pragma once
#include <concepts>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// The vocabulary in which a settings struct describes itself, once, for the reader, the writer, the
// reference page, the fingerprint and the check:
//
//     struct GptqSettings { int bits = 4; ... };
//
//     template <class Fields>
//     void describe(Fields& f, GptqSettings& s) {
//       f("bits", s.bits, "bits per quantized weight", one_of({2, 3, 4, 8}));
//       f("num_samples", s.num_samples, "sequences to calibrate on", at_least(1),
//         alias("nsamples"));
//     }
//     inline void check(Problems& problems, const GptqSettings& s) { ... what needs two fields ...
//     }
//
// A field is a bool, an integer, a double, a string, a path, an enum with names (EnumNames below),
// a std::vector or std::optional of these, another described struct, or a std::vector of such. What
// stands in the struct is the default. `describe` is called on values, never on references kept for
// later, and may read fields it has already described (see starting_from).
namespace tessera {

/// Accepts a number in a range; `text` completes "it must be ...".
struct Range {
  double low;
  double high;
  std::string text;
};
Range at_least(double low);
Range between(double low, double high);

/// Accepts listed values only; `text` completes "it must be ...".
struct Choice {
  std::vector<double> values;
  std::string text;
};
Choice one_of(std::initializer_list<double> values);
/// The powers of two from @p low to @p high, both of them powers of two.
Choice power_of_two(double low, double high);
/// 0 as well.
Choice zero_or(Choice choice);

/// Another name under which people type this key; accepted and reported.
struct Alias {
  std::string name;
};
inline Alias alias(std::string name) {
  return {std::move(name)};
}

/// The key must be given, and not be empty.
struct Required {};
inline Required required() {
  return {};
}

/// The value (of a section: every value in it) cannot change the result: no part of the
/// fingerprint.
struct WithoutEffect {};
inline WithoutEffect without_effect() {
  return {};
}

/// The value is a number of bytes, also written as "20GiB", "5GB", "512MiB".
struct Bytes {};
inline Bytes in_bytes() {
  return {};
}

/// The string, or every string of the list, is a regular expression (ECMAScript).
struct Pattern {};
inline Pattern pattern() {
  return {};
}

/// What new items of a list of structs start from.
template <class Item>
struct Prototype {
  Item item;
};
template <class Item>
Prototype<Item> starting_from(Item item) {
  return {std::move(item)};
}

/// Everything said about one field besides its name, value and text.
struct FieldNotes {
  std::optional<Range> range;
  std::optional<Choice> choice;
  std::vector<std::string> aliases;
  bool is_required = false;
  bool has_effect = true;
  bool is_bytes = false;
  bool is_pattern = false;

  void add(Range r) { range = std::move(r); }
  void add(Choice c) { choice = std::move(c); }
  void add(Alias a) { aliases.push_back(std::move(a.name)); }
  void add(Required) { is_required = true; }
  void add(WithoutEffect) { has_effect = false; }
  void add(Bytes) { is_bytes = true; }
  void add(Pattern) { is_pattern = true; }
  template <class Item>
  void add(const Prototype<Item>&) {}  // read by those who make items

  template <class... Notes>
  static FieldNotes from(const Notes&... notes) {
    FieldNotes all;
    (all.add(notes), ...);
    return all;
  }
};

/// Names of an enum's values, as written in a job. Specialize:
///     template <> struct EnumNames<Symmetry> {
///       static constexpr std::pair<Symmetry, std::string_view> kNames[] = {...};
///     };
template <class Enum>
struct EnumNames;

/// The name of @p value; empty for a value without one.
template <class Enum>
std::string_view name_of_value(Enum value) {
  for (const auto& [named, name] : EnumNames<Enum>::kNames) {
    if (named == value) return name;
  }
  return {};
}
/// The value that is called @p name; nothing when none is.
template <class Enum>
std::optional<Enum> value_named(std::string_view name) {
  for (const auto& [value, named] : EnumNames<Enum>::kNames) {
    if (named == name) return value;
  }
  return std::nullopt;
}
/// "exact, bucket, ...": for messages and help.
template <class Enum>
std::string names_text() {
  std::string text;
  for (const auto& [value, name] : EnumNames<Enum>::kNames) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

/// What every visitor of fields offers, and a visitor that does nothing.
struct AnyFields {
  template <class Value, class... Notes>
  void operator()(std::string_view /*name*/, Value& /*value*/, std::string_view /*text*/,
                  const Notes&... /*notes*/) {}
};

/// A struct that describes itself.
template <class Struct>
concept Described = std::is_class_v<Struct> && requires(AnyFields& f, Struct& s) {
  describe(f, s);
};

/// Where a check that needs two fields says what it found; all problems are reported at once.
class Problems {
 public:
  virtual ~Problems() = default;
  /// @p key is relative to the struct being checked: "num_centroids", "targets[1]", "vptq.permute".
  /// @p problem goes on from the key: "is 512 (num_centroids is 256). Lower it."
  virtual void add(std::string_view key, const std::string& problem) = 0;
};

/// A described struct with a check(Problems&, const Struct&) of its own.
template <class Struct>
concept Checked = requires(Problems& problems, const Struct& s) {
  check(problems, s);
};

}  // namespace tessera
