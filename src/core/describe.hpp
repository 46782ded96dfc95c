#pragma once
#include <functional>
#include <initializer_list>
#include <map>
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
//       f("num_samples", s.num_samples, "sequences to calibrate on", at_least(1), alias("nsamples"));
//     }
//     inline void check(Problems& problems, const GptqSettings& s) { ... what needs two fields ... }
//
// A field is a bool, an integer, a double, a string, an enum with names (enum_names below), a std::vector or
// std::optional of these, or another described struct. What stands in the struct is the default.
namespace tessera {

/// Accepts a number in a range; `text` completes "must be ...".
struct Range {
  double low;
  double high;
  std::string text;
};
Range at_least(double low);
Range between(double low, double high);

/// Accepts listed values only.
struct Choice {
  std::vector<double> values;
  std::string text;
};
Choice one_of(std::initializer_list<double> values);

/// Another name under which people type this key; accepted and reported.
struct Alias {
  std::string name;
};
inline Alias alias(std::string name) { return {std::move(name)}; }

/// The key must be given.
struct Required {};
inline Required required() { return {}; }

/// The value cannot change the result (threads, log, walltime): left out of the fingerprint.
struct WithoutEffect {};
inline WithoutEffect without_effect() { return {}; }

/// The value is a number of bytes, also written as "20GiB", "5GB", "512MiB".
struct Bytes {};
inline Bytes in_bytes() { return {}; }

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

  void add(Range r) { range = std::move(r); }
  void add(Choice c) { choice = std::move(c); }
  void add(Alias a) { aliases.push_back(std::move(a.name)); }
  void add(Required) { is_required = true; }
  void add(WithoutEffect) { has_effect = false; }
  void add(Bytes) { is_bytes = true; }
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
///     template <> struct EnumNames<Symmetry> { static constexpr std::pair<Symmetry, std::string_view> kNames[] = {...}; };
template <class Enum>
struct EnumNames;

/// Where a check that needs two fields says what it found; all problems are reported at once.
class Problems {
 public:
  virtual ~Problems() = default;
  /// @p key is relative to the struct being checked: "num_centroids".
  virtual void add(std::string_view key, const std::string& problem) = 0;
};

}  // namespace tessera
