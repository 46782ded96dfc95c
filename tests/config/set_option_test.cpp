#include "config/set_option.hpp"

#include <gmock/gmock.h>

#include "config/reader.hpp"
#include "core/error.hpp"
#include "tests/config/sample_settings.hpp"

namespace tessera::config {
namespace {

using test::Sample;
using testing::ElementsAre;
using testing::StartsWith;

constexpr const char* kYaml = "folder: x\nnsamples: 7\nbits: [2, 3]\ninner: {size: 4}\ntitle:\n";

Sample read(const std::vector<std::string>& options) {
  return read_with_options<Sample>(std::string(kYaml) + " a", "a.yaml", options).value;
}

std::string message_for(const std::vector<std::string>& options) {
  try {
    read(options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no problem";
}

TEST(SetOption, ReplacesOneKeyAndKeepsItsNeighbours) {
  const Sample s = read({"inner.most=20", "folder=a b"});
  EXPECT_EQ(s.inner, (test::Inner{4, 20}));
  EXPECT_EQ(s.folder, "a b");
}

TEST(SetOption, ReplacesAKeyThatWasGivenUnderAnotherName) {
  EXPECT_EQ(read({"count=9"}).count, 9);
  EXPECT_EQ(read({"nsamples=9"}).count, 9);
}

TEST(SetOption, TheLastOneWins) {
  EXPECT_EQ(read({"count=9", "nsamples=10"}).count, 10);
}

TEST(SetOption, ReplacesAListAsAWhole) {
  EXPECT_THAT(read({"bits=[4]"}).bits, ElementsAre(4));
  EXPECT_TRUE(read({"bits=[]"}).bits.empty());
  EXPECT_EQ(read({"rules=[{match: a}]"}).rules.size(), 1U);
}

TEST(SetOption, ReplacesASectionAsAWhole) {
  EXPECT_EQ(read({"inner={most: 30}"}).inner, (test::Inner{8, 30}));
}

TEST(SetOption, TheValueMayHoldAnEqualsSign) {
  EXPECT_EQ(read({"title=a=b"}).title, "a=b");
}

TEST(SetOption, MakesSectionsThatAreNotThere) {
  EXPECT_EQ(
      read_with_options<Sample>("folder: x", "a.yaml", std::vector<std::string>{"inner.size=2"})
          .value.inner.size,
      2);
}

TEST(SetOption, ProblemsNameTheOption) {
  EXPECT_EQ(message_for({"inner.size=30"}),
            "--set inner.size: inner.size is 30 (it must be a power of two from 2 to 64). Choose "
            "one of these; the nearest is 32.");
  EXPECT_EQ(message_for({"inner.sise=4"}),
            "--set inner.sise: unknown key inner.sise. Did you mean size?");
  EXPECT_EQ(message_for({"iner.size=4"}), "--set iner.size: unknown key iner. Did you mean inner?");
  EXPECT_EQ(message_for({"folder.a=4"}),
            "--set folder.a: folder is x (keys of a section can be set). Set folder as a whole.");
  EXPECT_EQ(message_for({"inner.size=64"}),
            "--set inner.size: inner.size is more than most. Lower it.");
  EXPECT_THAT(message_for({"bits=[1"}), StartsWith("--set bits: the value: this is not YAML ("));
  EXPECT_EQ(message_for({"count=1\nseed: 2"}),
            "--set count: the value holds more than one. Use one --set for each key.");
}

TEST(SetOption, RefusesWhatIsNoSetting) {
  for (const char* option : {"", "=", "count", "a..b=1", ".=1"}) {
    EXPECT_EQ(message_for({option}), std::string("--set ") + option +
                                         ": this is no setting (section.key=value is wanted). "
                                         "Write, for instance, --set quantize.seed=3.");
  }
}

TEST(SetOption, ProblemsOfTheFileComeFirst) {
  try {
    read_with_options<Sample>("folder: x\nseed: a\n", "a.yaml",
                              std::vector<std::string>{"count=0"});
    FAIL() << "two problems were not noticed";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "a.yaml:2: seed is a (a whole number is wanted). Write digits alone.\n"
                 "--set count: count is 0 (it must be at least 1). Raise it.");
  }
}

}  // namespace
}  // namespace tessera::config
