#include "config/yaml_parser.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core/error.hpp"

namespace tessera::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string message_for(const std::string& yaml) {
  try {
    parse_yaml(yaml, "a.yaml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no problem";
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(YamlParser, RemembersLines) {
  const Node root = parse_yaml("# comment\na: 1\nb:\n  - x\n  - 'y'\n", "a.yaml");
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].place.text(), "a.yaml:2");
  EXPECT_EQ(root.entries[1].place.line, 3);
  EXPECT_EQ(root.entries[1].value.place.line, 3);
  ASSERT_EQ(root.entries[1].value.items.size(), 2U);
  EXPECT_EQ(root.entries[1].value.items[1].place.line, 5);
  EXPECT_FALSE(root.entries[1].value.items[0].is_quoted);
  EXPECT_TRUE(root.entries[1].value.items[1].is_quoted);
}

TEST(YamlParser, KeepsDuplicateKeysForTheReaderToReport) {
  EXPECT_EQ(parse_yaml("a: 1\na: 2\n", "a.yaml").entries.size(), 2U);
}

TEST(YamlParser, WritesAliasesOut) {
  const Node root = parse_yaml("a: &x {b: 1}\nc: *x\n", "a.yaml");
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_TRUE(same_content(root.entries[0].value, root.entries[1].value));
  EXPECT_EQ(root.entries[1].value.place.line, 2);
}

TEST(YamlParser, NamesTheLineOfASyntaxError) {
  EXPECT_THAT(message_for("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("a.yaml:"));
  EXPECT_THAT(message_for("a: 1\n  b: 2\n"), StartsWith("a.yaml:2: this is not YAML ("));
  EXPECT_THAT(message_for("a: {b: 1\n"), HasSubstr("Mend it here or just above."));
  EXPECT_THAT(message_for("a: *nobody\n"), StartsWith("a.yaml:1: this is not YAML ("));
}

TEST(YamlParser, RefusesWhatNoSettingsFileHolds) {
  EXPECT_EQ(message_for("a: 1\n---\nb: 2\n"),
            "a.yaml:2: a second YAML document begins (one file holds one). Remove the line ---.");
  EXPECT_EQ(
      message_for("a: !!python/object x\n"),
      "a.yaml:1: the YAML tag tag:yaml.org,2002:python/object is not understood (types follow "
      "from the keys). Remove it.");
  EXPECT_EQ(message_for("[1, 2]: 3\n"),
            "a.yaml:1: a list or section stands where a key is expected. Write a key.");
  EXPECT_EQ(message_for("~: 3\n"), "a.yaml:1: a key is expected here. Write one.");
}

TEST(YamlParser, RefusesBytesThatAreNoText) {
  EXPECT_EQ(message_for("a: 1\nb: \xFF\n"),
            "a.yaml:2: the byte 0xff is no text (UTF-8 is read). Save the file as UTF-8.");
}

TEST(YamlParser, BoundsNesting) {
  EXPECT_EQ(message_for(nested(kMostNesting)), "no problem");
  EXPECT_EQ(message_for(nested(kMostNesting + 1)),
            "a.yaml:1: lists and sections stand 33 deep in each other (at most 32 are read). This "
            "is no settings file.");
  EXPECT_THAT(message_for(nested(400'000)), HasSubstr("deep in each other"));
  EXPECT_THAT(
      message_for("a: &a [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[*a]]]]]]]]]]]]"),
      HasSubstr("deep in each other"));
}

TEST(YamlParser, BoundsWhatAliasesExpandTo) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i,
                        i - 1);
  }
  EXPECT_THAT(message_for(bomb), HasSubstr("more than 100000 values, YAML aliases written out"));

  std::string long_text = "a: &a " + std::string(500'000, 'x') + "\nb: [";
  for (int i = 0; i < 1000; ++i) long_text += "*a, ";
  EXPECT_THAT(message_for(long_text + "]\n"), HasSubstr("more than 100000 values"));
}

TEST(YamlParser, RefusesAnAliasOfWhatItStandsIn) {
  EXPECT_EQ(message_for("a: &a [*a]\n"),
            "a.yaml:1: a YAML alias stands inside what it names. Write the values out.");
}

TEST(YamlParser, BoundsTheTextsSize) {
  EXPECT_EQ(message_for(std::string(kMostBytes, '#')), "no problem");
  EXPECT_EQ(message_for(std::string(kMostBytes + 1, '#')),
            "a.yaml: the text has 1048577 bytes (at most 1048576 are read). This is no settings "
            "file.");
}

}  // namespace
}  // namespace tessera::config
