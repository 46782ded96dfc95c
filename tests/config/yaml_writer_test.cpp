#include "config/yaml_writer.hpp"

#include <gmock/gmock.h>

#include "config/reader.hpp"
#include "tests/config/sample_settings.hpp"

namespace tessera::config {
namespace {

using test::Sample;
using testing::HasSubstr;

Sample unusual() {
  Sample s;
  s.flag = false;
  s.count = 2147483647;
  s.seed = 18446744073709551615U;
  s.fraction = 0.1 + 0.2;  // needs 17 digits
  s.title = "a: b # 'c' \"d\"\n\te \\ \xC3\xA9";
  s.folder = "true";
  s.color = test::Color::dark_blue;
  s.memory = 1'000'001;
  s.limit = 1e300;
  s.names = {"", "~", "null", "1", "no", "layers\\.0\\..*", "*a", "&b", "- c", "[d]", "{e}", " f "};
  s.bits = {};
  s.inner = {4, 9};
  s.rules = {{"a.*", {2, 9}}, {"same", {4, 9}}};
  return s;
}

TEST(YamlWriter, WhatIsWrittenReadsBackTheSame) {
  Sample plain;
  plain.folder = "x";
  for (const Sample& s : {plain, unusual()}) {
    const std::string text = write_text(s);
    EXPECT_EQ(read_text<Sample>(text, "written"), s) << text;
    EXPECT_EQ(write_text(read_text<Sample>(text, "written")), text);
  }
}

TEST(YamlWriter, WritesEveryKeyInTheOrderOfDescription) {
  Sample s;
  s.folder = "models/a-1.5";
  s.memory = 5'000'000'000;
  EXPECT_EQ(write_text(s), R"(flag: true
count: 128
seed: 0
damp_fraction: 0.01
title: 'none yet'
folder: models/a-1.5
color: red
memory: 5GB
limit: ~
patterns: ['.*']
names: []
bits: []
inner:
  size: 8
  most: 16
rules: []
threads: 0
)");
}

TEST(YamlWriter, AnItemSaysOnlyWhatDiffersFromItsStart) {
  const std::string text = write_text(unusual());
  EXPECT_THAT(text, HasSubstr("  - match: 'a.*'\n    inner:\n      size: 2\n"));
  EXPECT_THAT(text, HasSubstr("  - match: same\nthreads"));
}

TEST(YamlWriter, SizesAreWrittenInTheLargestUnitThatDividesThem) {
  EXPECT_EQ(exact_bytes_text(0), "0");
  EXPECT_EQ(exact_bytes_text(999), "999");
  EXPECT_EQ(exact_bytes_text(1000), "1kB");
  EXPECT_EQ(exact_bytes_text(1024), "1KiB");
  EXPECT_EQ(exact_bytes_text(20ULL << 30U), "20GiB");
  EXPECT_EQ(exact_bytes_text(5'000'000'000), "5GB");
  EXPECT_EQ(exact_bytes_text(18446744073709551615U), "18446744073709551615");
}

}  // namespace
}  // namespace tessera::config
