#include "config/scalar_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <regex>

#include <fmt/format.h>

#include "config/near_match.hpp"

namespace tessera::config {
namespace {

constexpr std::size_t kLongestPattern = 1000;

// A scalar written without quotes, which alone may be a number, a truth value or a name.
bool is_plain(ReadContext& context, const Node& node, const std::string& key,
              std::string_view wanted) {
  if (node.kind != Node::Kind::scalar) {
    context.add_wrong_kind(node, key, wanted, "Give one value.");
    return false;
  }
  if (node.is_quoted) {
    context.add_wrong_kind(node, key, wanted, "Write it without quotes.");
    return false;
  }
  return true;
}

double nearest(const std::vector<double>& values, double value) {
  return *std::ranges::min_element(values, {}, [&](double v) { return std::abs(v - value); });
}

// Range and choice; integers of every size a job may hold are exact in a double.
bool is_allowed(ReadContext& context, const Node& node, const std::string& key,
                const FieldNotes& notes, double value) {
  const std::string shown = display(node);
  if (notes.range && (value < notes.range->low || value > notes.range->high)) {
    context.add_problem(node.place, key,
                        fmt::format("is {} (it must be {}). {} it.", shown, notes.range->text,
                                    value < notes.range->low ? "Raise" : "Lower"));
    return false;
  }
  if (notes.choice &&
      std::ranges::find(notes.choice->values, value) == notes.choice->values.end()) {
    context.add_problem(
        node.place, key,
        fmt::format("is {} (it must be {}). Choose one of these; the nearest is {}.", shown,
                    notes.choice->text, nearest(notes.choice->values, value)));
    return false;
  }
  return true;
}

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

void check_pattern(ReadContext& context, const Node& node, const std::string& key) {
  if (node.text.size() > kLongestPattern) {
    context.add_problem(
        node.place, key,
        fmt::format("is {} characters long (at most {} make a pattern). Shorten it.",
                    node.text.size(), kLongestPattern));
    return;
  }
  try {
    const std::regex pattern(node.text);
  } catch (const std::regex_error&) {  // the library's own words often miss the reason
    context.add_problem(node.place, key,
                        fmt::format("is {} (not a regular expression). Mend it; \\ before a "
                                    "character takes its special meaning away.",
                                    display(node)));
  }
}

}  // namespace

void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& /*notes*/, bool& value) {
  if (!is_plain(context, node, key, "true or false")) return;
  if (is_any_of(node.text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) {
    value = true;
  } else if (is_any_of(node.text,
                       {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
    value = false;
  } else {
    context.add_wrong_kind(node, key, "true or false", "Write one of the two.");
  }
}

void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, double& value) {
  if (!is_plain(context, node, key, "a number")) return;
  const std::string_view digits = std::string_view(node.text).substr(node.text.starts_with('+'));
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(number)) {
    context.add_wrong_kind(node, key, "a number", "Write one, such as 0.5 or 1e-3.");
    return;
  }
  if (is_allowed(context, node, key, notes, number)) value = number;
}

void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, std::string& value) {
  if (node.kind != Node::Kind::scalar) {
    context.add_wrong_kind(node, key, notes.is_pattern ? "a pattern" : "a text", "Give one value.");
    return;
  }
  if (notes.is_required && node.text.empty()) {
    context.add_problem(node.place, key, "is empty (it must be given). Write a value.");
    return;
  }
  if (notes.is_pattern) check_pattern(context, node, key);
  value = node.text;
}

void read_scalar(ReadContext& context, const Node& node, const std::string& key,
                 const FieldNotes& notes, std::filesystem::path& value) {
  if (node.kind != Node::Kind::scalar) {
    context.add_wrong_kind(node, key, "a path", "Give one value.");
    return;
  }
  if (node.text.find('\0') != std::string::npos) {
    context.add_wrong_kind(node, key, "a path", "Paths hold no NUL character.");
    return;
  }
  std::string text;
  read_scalar(context, node, key, notes, text);
  value = text;
}

std::optional<WholeNumber> read_whole_number(ReadContext& context, const Node& node,
                                             const std::string& key, const FieldNotes& notes,
                                             WholeLimits limits) {
  const std::string_view wanted = notes.is_bytes ? "a size in bytes" : "a whole number";
  if (!is_plain(context, node, key, wanted)) return std::nullopt;
  WholeNumber number;
  std::string_view digits = node.text;
  number.is_negative = digits.starts_with('-');
  if (number.is_negative || digits.starts_with('+')) digits.remove_prefix(1);
  const char* const last = digits.data() + digits.size();
  auto [end, error] = std::from_chars(digits.data(), last, number.magnitude);
  if (notes.is_bytes && (error != std::errc{} || end != last)) {
    if (const auto bytes = parse_bytes(node.text)) {
      number.magnitude = *bytes;
      error = std::errc{};
      end = last;
    }
  }
  const bool is_number = !digits.empty() && end == last && error != std::errc::invalid_argument;
  if (!is_number) {
    context.add_wrong_kind(
        node, key, wanted,
        notes.is_bytes ? "Write one, such as 5GB, 512MiB or 4096." : "Write digits alone.");
    return std::nullopt;
  }
  const std::uint64_t most = number.is_negative ? limits.below_zero : limits.above_zero;
  if (error == std::errc::result_out_of_range || number.magnitude > most) {
    // The field's own bound says more than the type's, where the value is on that side of it.
    const double far = number.is_negative ? -HUGE_VAL : HUGE_VAL;
    if (!is_allowed(context, node, key, notes, far)) return std::nullopt;
    context.add_problem(node.place, key,
                        fmt::format("is {} (it must be at {} {}{}). {} it.", display(node),
                                    number.is_negative ? "least" : "most",
                                    number.is_negative && most > 0 ? "-" : "", most,
                                    number.is_negative ? "Raise" : "Lower"));
    return std::nullopt;
  }
  const auto magnitude = static_cast<double>(number.magnitude);
  const bool is_ok =
      is_allowed(context, node, key, notes, number.is_negative ? -magnitude : magnitude);
  return is_ok ? std::optional(number) : std::nullopt;
}

std::optional<std::size_t> read_name(ReadContext& context, const Node& node, const std::string& key,
                                     std::span<const std::string> names) {
  const std::string known = fmt::format("{}", fmt::join(names, ", "));
  if (node.kind != Node::Kind::scalar) {
    context.add_wrong_kind(node, key, "one of " + known, "Give one value.");
    return std::nullopt;
  }
  const auto found = std::ranges::find(names, node.text);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string advice = "Choose one of these.";
  if (names.size() == 1) {
    advice = fmt::format("Choose {}.", names.front());
  } else if (const auto near = near_match(node.text, names); near < names.size()) {
    advice = fmt::format("Did you mean {}?", names[near]);
  }
  context.add_problem(
      node.place, key,
      fmt::format("is {} (this version knows {}). {}", display(node), known, advice));
  return std::nullopt;
}

}  // namespace tessera::config
