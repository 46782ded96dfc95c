#include "core/json_value.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

JsonValue parse(const std::string& text) {
  return JsonValue::parse(text, "x.json");
}

TEST(JsonValue, EmptyValuesAndAwkwardNumbers) {
  EXPECT_EQ(JsonValue().to_text(), "null");
  EXPECT_EQ(JsonValue::object().to_text(), "{}");
  EXPECT_EQ(JsonValue::list().to_text(), "[]");
  EXPECT_EQ(JsonValue(std::nan("")).to_text(), "null");
  EXPECT_EQ(JsonValue(std::numeric_limits<double>::infinity()).to_text(), "null");
  EXPECT_EQ(JsonValue(INT64_MIN).to_text(), "-9223372036854775808");
  EXPECT_EQ(parse("18446744073709551615").number(), 18446744073709551615.0);
}

TEST(JsonValue, KeepsTheOrderOfKeysAndReplacesInPlace) {
  JsonValue value;
  value.set("z", 1).set("a", true).set("z", "again");
  EXPECT_EQ(value.to_text(), R"({"z":"again","a":true})");
}

TEST(JsonValue, ReadsBackExactlyWhatItWrote) {
  JsonValue value = JsonValue::object();
  value.set("tenth", 0.1).set("tiny", 5e-324).set("whole", 1.0).set("text", "a\"\\\n\u00e9\x01");
  value.set("list", JsonValue::list().append(JsonValue()).append(false).append(-3));
  const JsonValue again = parse(value.to_text(2));
  EXPECT_EQ(again.to_text(), value.to_text());
  EXPECT_EQ(again.at("tenth").number(), 0.1);
  EXPECT_EQ(again.at("tiny").number(), 5e-324);
  EXPECT_EQ(again.at("list").items().at(2).integer(), -3);
}

TEST(JsonValue, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(JsonValue("a\xff").to_text(), "\"a\uFFFD\"");
}

TEST(JsonValue, RefusesBrokenTextsWithTheirOrigin) {
  const auto message = [](const std::string& text) {
    return ThrowsMessage<InputError>(HasSubstr(text));
  };
  EXPECT_THAT([] { parse(""); }, message("x.json is not valid JSON at byte"));
  EXPECT_THAT([] { parse("{\"a\": 1} tail"); }, message("at byte 11"));
  EXPECT_THAT([] { parse("{\"a\": 1, \"a\": 2}"); }, message("\"a\" twice"));
  EXPECT_THAT([] { parse(std::string(100000, '[')); }, message("deeper than 100"));
  EXPECT_THAT([] { parse("1e999"); }, message("x.json"));
  EXPECT_THAT([] { parse("\"\xff\""); }, message("x.json is not valid JSON"));
}

TEST(JsonValue, SaysWhatItFoundInstead) {
  const JsonValue value = parse(R"({"a": [1.5], "b": "x"})");
  const auto message = [](const std::string& text) {
    return ThrowsMessage<InputError>(HasSubstr(text));
  };
  EXPECT_THAT([&] { value.at("c"); }, message("\"c\" is missing"));
  EXPECT_THAT([&] { value.at("a").text(); }, message("wanted a text, found a list"));
  EXPECT_THAT([&] { value.at("a").items()[0].integer(); }, message("found 1.5"));
  EXPECT_THAT([&] { value.at("b").number(); }, message("found a text"));
  EXPECT_THAT([&] { value.at("b").at("c"); }, message("found a text"));
}

}  // namespace
}  // namespace tessera
