#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/describe.hpp"

// A small struct with every kind of field, for the tests of the reader, the writer and the page.
namespace tessera::test {

enum class Color { red, dark_blue };

struct Inner {
  int size = 8;
  int most = 16;
  bool operator==(const Inner&) const = default;
};

struct Rule {
  std::string match;
  Inner inner;
  bool operator==(const Rule&) const = default;
};

struct Sample {
  bool flag = true;
  int count = 128;
  std::uint64_t seed = 0;
  double fraction = 0.01;
  std::string title = "none yet";
  std::filesystem::path folder;
  Color color = Color::red;
  std::uint64_t memory = 0;
  std::optional<double> limit;
  std::vector<std::string> patterns = {".*"};
  std::vector<std::string> names;
  std::vector<int> bits;
  Inner inner;
  std::vector<Rule> rules;
  int threads = 0;
  bool operator==(const Sample&) const = default;
};

}  // namespace tessera::test

namespace tessera {
template <>
struct EnumNames<test::Color> {
  static constexpr std::pair<test::Color, std::string_view> kNames[] = {
      {test::Color::red, "red"}, {test::Color::dark_blue, "dark_blue"}};
};
}  // namespace tessera

namespace tessera::test {

template <class Fields>
void describe(Fields& f, Inner& s) {
  f("size", s.size, "how large", power_of_two(2, 64));
  f("most", s.most, "how large at most", at_least(1));
}
inline void check(Problems& problems, const Inner& s) {
  if (s.size > s.most) problems.add("size", "is more than most. Lower it");
}

template <class Fields>
void describe(Fields& f, Rule& s) {
  f("match", s.match, "which", required(), pattern());
  f("inner", s.inner, "what differs");
}

template <class Fields>
void describe(Fields& f, Sample& s) {
  f("flag", s.flag, "a truth | or not");
  f("count", s.count, "how many", at_least(1), alias("nsamples"));
  f("seed", s.seed, "of random numbers");
  f("damp_fraction", s.fraction, "a share", between(0, 1), alias("percdamp"));
  f("title", s.title, "a text");
  f("folder", s.folder, "a path", required());
  f("color", s.color, "one of two");
  f("memory", s.memory, "a size", in_bytes());
  f("limit", s.limit, "may be left out", at_least(1));
  f("patterns", s.patterns, "a list", pattern());
  f("names", s.names, "texts");
  f("bits", s.bits, "numbers", one_of({2, 3, 4, 8}));
  f("inner", s.inner, "a section");
  f("rules", s.rules, "sections", starting_from(Rule{"", s.inner}));
  f("threads", s.threads, "cores", at_least(0), without_effect());
}
inline void check(Problems& problems, const Sample& s) {
  if (!s.bits.empty() && s.bits.back() > s.count) {
    problems.add("bits[" + std::to_string(s.bits.size() - 1) + "]",
                 "is more than count. Lower it.");
  }
}

}  // namespace tessera::test
