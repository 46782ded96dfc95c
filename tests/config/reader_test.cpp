#include "config/reader.hpp"

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core/error.hpp"
#include "tests/config/sample_settings.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::config {
namespace {

using test::Sample;
using testing::ElementsAre;
using testing::HasSubstr;

// What the reader says about @p yaml, which must be wrong; the file is called a.yaml.
std::string message_for(const std::string& yaml, const std::vector<std::string>& options = {}) {
  try {
    read_with_options<Sample>(yaml, "a.yaml", options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no problem";
}

// As message_for, with the one required key in line 1 and @p line in line 2.
std::string message_for_line(const std::string& line) {
  return message_for("folder: x\n" + line);
}

Sample read(const std::string& yaml) {
  return read_text<Sample>("folder: x\n" + yaml, "a.yaml");
}

TEST(Reader, WhatIsNotGivenKeepsItsDefault) {
  Sample expected;
  expected.folder = "x";
  EXPECT_EQ(read(""), expected);
  EXPECT_EQ(read("# only a comment\n"), expected);
}

TEST(Reader, EmptyTextsLackWhatIsRequired) {
  const std::string missing = "a.yaml:1: folder is missing (it has no default). Add it.";
  EXPECT_EQ(message_for(""), missing);
  EXPECT_EQ(message_for("# nothing\n"), missing);
  EXPECT_EQ(message_for("---\n"), missing);
  EXPECT_EQ(message_for("folder: ''\n"),
            "a.yaml:1: folder is empty (it must be given). Write a value.");
  EXPECT_EQ(message_for("folder:\n"),
            "a.yaml:1: folder is empty (a path is wanted). Give one value.");
}

TEST(Reader, ReadsEveryKindOfField) {
  const Sample s = read(R"(
flag: no
count: 64
seed: 18446744073709551615
damp_fraction: 1e-3
title: two words
color: dark_blue
memory: 20GiB
limit: 1.5
patterns: ['a|b', c]
bits: [2, 8]
inner: {size: 4}
threads: 2
)");
  EXPECT_FALSE(s.flag);
  EXPECT_EQ(s.count, 64);
  EXPECT_EQ(s.seed, 18446744073709551615U);
  EXPECT_EQ(s.fraction, 1e-3);
  EXPECT_EQ(s.title, "two words");
  EXPECT_EQ(s.color, test::Color::dark_blue);
  EXPECT_EQ(s.memory, 20ULL << 30U);
  EXPECT_EQ(s.limit, 1.5);
  EXPECT_THAT(s.patterns, ElementsAre("a|b", "c"));
  EXPECT_THAT(s.bits, ElementsAre(2, 8));
  EXPECT_EQ(s.inner.size, 4);
  EXPECT_EQ(s.threads, 2);
}

TEST(Reader, AListMayBeOneValueOrEmpty) {
  EXPECT_THAT(read("bits: 4").bits, ElementsAre(4));
  EXPECT_TRUE(read("patterns: []").patterns.empty());
}

TEST(Reader, AnOptionalMayBeNull) {
  EXPECT_EQ(read("limit: null").limit, std::nullopt);
}

TEST(Reader, ASectionWithNothingInItIsItsDefaults) {
  EXPECT_EQ(read("inner:\n").inner.size, 8);
}

TEST(Reader, ItemsStartFromTheSectionTheyOverride) {
  const Sample s =
      read("rules: [{match: a, inner: {size: 2}}, {match: b}]\ninner: {size: 4, most: 9}");
  ASSERT_EQ(s.rules.size(), 2U);
  EXPECT_EQ(s.rules[0].inner, (test::Inner{2, 9}));
  EXPECT_EQ(s.rules[1].inner, (test::Inner{4, 9}));
}

TEST(Reader, AliasesAreReadAndNoted) {
  const auto reading =
      read_with_options<Sample>("folder: x\nnsamples: 3\npercdamp: 0.5", "a.yaml", {});
  EXPECT_EQ(reading.value.count, 3);
  EXPECT_EQ(reading.value.fraction, 0.5);
  EXPECT_THAT(reading.notes, ElementsAre("a.yaml:2: nsamples is read as count.",
                                         "a.yaml:3: percdamp is read as damp_fraction."));
}

struct Mistake {
  const char* name;
  const char* line;
  const char* message;  // after "a.yaml:2: "
};

class ReaderMistake : public testing::TestWithParam<Mistake> {};

TEST_P(ReaderMistake, IsNamed) {
  EXPECT_EQ(message_for_line(GetParam().line), std::string("a.yaml:2: ") + GetParam().message);
}

constexpr Mistake kMistakes[] = {
    {"unknown_near", "damp_fration: 0.1", "unknown key damp_fration. Did you mean damp_fraction?"},
    {"unknown_elsewhere", "size: 4", "unknown key size. Did you mean inner.size?"},
    {"unknown_here", "inner: {count: 4}", "unknown key inner.count. Did you mean count?"},
    {"unknown_far", "inner: {zzz: 4}",
     "unknown key inner.zzz. Remove it, or choose one of size, most."},
    {"twice", "folder: y", "folder is given twice (first in line 1). Remove one."},
    {"wrong_int", "count: lots", "count is lots (a whole number is wanted). Write digits alone."},
    {"fraction_for_int", "count: 1.5",
     "count is 1.5 (a whole number is wanted). Write digits alone."},
    {"int_in_quotes", "count: '3'",
     "count is \"3\" (a whole number is wanted). Write it without quotes."},
    {"int_null", "count:", "count is empty (a whole number is wanted). Give one value."},
    {"int_list", "count: [3]", "count is a list (a whole number is wanted). Give one value."},
    {"int_too_low", "count: 0", "count is 0 (it must be at least 1). Raise it."},
    {"int_too_large", "count: 99999999999",
     "count is 99999999999 (it must be at most 2147483647). Lower it."},
    {"int_far_too_low", "count: -99999999999999999999",
     "count is -99999999999999999999 (it must be at least 1). Raise it."},
    {"negative_seed", "seed: -1", "seed is -1 (it must be at least 0). Raise it."},
    {"wrong_number", "damp_fraction: 1%",
     "damp_fraction is 1% (a number is wanted). Write one, such as 0.5 or 1e-3."},
    {"nan", "damp_fraction: nan",
     "damp_fraction is nan (a number is wanted). Write one, such as 0.5 or 1e-3."},
    {"out_of_range", "damp_fraction: 1.5",
     "damp_fraction is 1.5 (it must be between 0 and 1). Lower it."},
    {"wrong_bool", "flag: maybe", "flag is maybe (true or false is wanted). Write one of the two."},
    {"wrong_name_near", "color: darkblue",
     "color is darkblue (this version knows red, dark_blue). Did you mean dark_blue?"},
    {"wrong_name", "color: 7",
     "color is 7 (this version knows red, dark_blue). Choose one of these."},
    {"wrong_size", "memory: 5 parsecs",
     "memory is \"5 parsecs\" (a size in bytes is wanted). Write one, such as 5GB, 512MiB or "
     "4096."},
    {"wrong_choice", "bits: [2, 5]",
     "bits[1] is 5 (it must be one of 2, 3, 4, 8). Choose one of these; the nearest is 4."},
    {"no_power", "inner: {size: 30}",
     "inner.size is 30 (it must be a power of two from 2 to 64). Choose one of these; the nearest "
     "is 32."},
    {"map_for_list", "bits: {a: 1}",
     "bits is a section (a list is wanted). Write it as [first, second]."},
    {"list_for_section", "inner: [1]",
     "inner is a list (a section of keys is wanted). Write its keys below it."},
    {"text_for_sections", "rules: x",
     "rules is x (a list of sections is wanted). Begin each of them with a dash."},
    {"missing_in_item", "rules: [{inner: {size: 2}}]",
     "rules[0].match is missing (it has no default). Add it."},
    {"check_of_section", "inner: {size: 64}", "inner.size is more than most. Lower it."},
    {"check_of_item", "rules: [{match: a, inner: {most: 2}}]",
     "rules[0].inner.size is more than most. Lower it."},
    {"check_of_root", "bits: [2, 8]\ncount: 4", "bits[1] is more than count. Lower it."},
    {"two_on_the_same_line", "inner: {sise: 4, mots: 3}",
     "unknown key inner.sise. Did you mean size?\na.yaml:2: unknown key inner.mots. Did you mean "
     "most?"},
};

INSTANTIATE_TEST_SUITE_P(All, ReaderMistake, testing::ValuesIn(kMistakes),
                         [](const auto& mistake) { return std::string(mistake.param.name); });

TEST(Reader, ABadPatternIsNamedWithItsLine) {
  EXPECT_EQ(message_for_line("patterns:\n  - ok\n  - '*a'"),
            "a.yaml:4: patterns[1] is \"*a\" (not a regular expression). Mend it; \\ before a "
            "character takes its special meaning away.");
}

TEST(Reader, AKeyAndItsAliasAreTheSameKey) {
  EXPECT_EQ(message_for_line("nsamples: 3\ncount: 4"),
            "a.yaml:3: count is given twice (first in line 2, as nsamples). Remove one.");
}

TEST(Reader, ASectionThatIsWrongIsNotChecked) {
  EXPECT_EQ(message_for_line("inner:\n  size: 64\n  most: x"),
            "a.yaml:4: inner.most is x (a whole number is wanted). Write digits alone.");
}

TEST(Reader, SixMistakesAreReportedAtOnceInTheOrderOfLines) {
  EXPECT_EQ(message_for(R"(count: lots
inner:
  size: 30
  sise: 4
folder: x
folder: y
color: green
damp_fraction: 2
)"),
            "a.yaml:1: count is lots (a whole number is wanted). Write digits alone.\n"
            "a.yaml:3: inner.size is 30 (it must be a power of two from 2 to 64). Choose one of "
            "these; the nearest is 32.\n"
            "a.yaml:4: unknown key inner.sise. Did you mean size?\n"
            "a.yaml:6: folder is given twice (first in line 5). Remove one.\n"
            "a.yaml:7: color is green (this version knows red, dark_blue). Choose one of these.\n"
            "a.yaml:8: damp_fraction is 2 (it must be between 0 and 1). Lower it.");
}

TEST(Reader, AFileOfAnotherKindDoesNotFillTheScreen) {
  std::string yaml = "folder: x\n";
  for (int i = 0; i < 70; ++i) yaml += fmt::format("zzzzz{}: 1\n", i);
  EXPECT_THAT(message_for(yaml), HasSubstr("\nand 20 more problems."));
}

TEST(Reader, HostileKeysAndValuesStayOnOneShortLine) {
  EXPECT_EQ(message_for_line("\"a\\nb\": 1").find('\n'), std::string::npos);
  const std::string message = message_for_line("count: " + std::string(5000, 'a'));
  EXPECT_LT(message.size(), 200U);
}

TEST(Reader, AFileThatCannotBeReadIsNamed) {
  const test::TemporaryFolder folder;
  const auto message = [](const std::filesystem::path& file) {
    try {
      read_file<Sample>(file);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(folder / "none.yaml"),
            fmt::format("{} cannot be read (No such file or directory). Check the path.",
                        (folder / "none.yaml").string()));
  EXPECT_THAT(message(folder.path()), HasSubstr("it is a folder"));
  std::ofstream(folder / "large.yaml") << std::string((std::size_t{1} << 20U) + 1, '#');
  EXPECT_THAT(message(folder / "large.yaml"), HasSubstr("has more than 1048576 bytes"));
}

}  // namespace
}  // namespace tessera::config
