#include "model/safetensors_header.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/safetensors_bytes.hpp"

namespace tessera::model {
namespace {

using test::input_error_of;
using test::safetensors_bytes;
using testing::AllOf;
using testing::HasSubstr;

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors_header(std::as_bytes(std::span(file)), "x.safetensors");
}

std::string refusal(const std::string& file) {
  const std::string message = input_error_of([&] { parse(file); });
  EXPECT_TRUE(message.starts_with("x.safetensors: ")) << message;
  return message;
}

/// One tensor 'a' with these fields, over @p data_bytes of data.
std::string refusal_of_tensor(const std::string& fields, std::size_t data_bytes) {
  const std::string message =
      refusal(safetensors_bytes("{\"a\":{" + fields + "}}", std::string(data_bytes, '\0')));
  EXPECT_THAT(message, HasSubstr("tensor 'a' "));
  return message;
}

TEST(SafetensorsHeader, NoTensorsIsAFile) {
  EXPECT_TRUE(parse(safetensors_bytes("{}", "")).entries.empty());
  EXPECT_TRUE(parse(safetensors_bytes("{\"__metadata__\":{}}   ", "")).metadata.empty());
}

TEST(SafetensorsHeader, ReadsScalarsEmptyTensorsAndMetadataInAnyOrder) {
  const auto header = parse(safetensors_bytes(
      R"({"b":{"data_offsets":[4,8],"dtype":"F16","shape":[2,1]},"__metadata__":{"format":"pt"},)"
      R"("none":{"dtype":"I64","shape":[3,0],"data_offsets":[4,4]},)"
      R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
      std::string(8, '\0')));
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries.at("scalar").info.count(), 1u);
  EXPECT_EQ(header.entries.at("none").bytes, 0u);
  const auto& b = header.entries.at("b");
  EXPECT_EQ(b.info.to_text(), "F16 [2, 1]");
  EXPECT_EQ(b.bytes, 4u);
  EXPECT_EQ(b.offset % 8, header.entries.at("scalar").offset % 8 ^ 4u);
}

TEST(SafetensorsHeader, FilesShorterThanTheyClaim) {
  EXPECT_THAT(refusal(""), HasSubstr("0 bytes long"));
  EXPECT_THAT(refusal("1234567"), HasSubstr("7 bytes long"));
  EXPECT_THAT(refusal(safetensors_bytes("", "")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal(safetensors_bytes("{}", "", 3)),
              AllOf(HasSubstr("3 bytes long"), HasSubstr("only 2 bytes follow")));
  EXPECT_THAT(refusal(safetensors_bytes("{}", "", ~std::uint64_t{0})),
              HasSubstr("18446744073709551615 bytes long"));
  EXPECT_THAT(refusal(safetensors_bytes("{}", "", ~std::uint64_t{0} - 7)),
              HasSubstr("only 2 bytes"));
}

TEST(SafetensorsHeader, WhatIsNoJsonNamesTheOffset) {
  EXPECT_THAT(refusal(safetensors_bytes("{\"a\"", "")), HasSubstr("not valid JSON at offset"));
  EXPECT_THAT(refusal(safetensors_bytes("{}x", "")), HasSubstr("at offset 10"));
  EXPECT_THAT(refusal(safetensors_bytes("{\"\xff\":1}", "")), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(safetensors_bytes("{} {}", "")), HasSubstr("not valid JSON"));
  for (const char* other : {" {}", "[]", "1", "null", "\"{}\""}) {
    EXPECT_THAT(refusal(safetensors_bytes(other, "")), HasSubstr("does not begin with '{'"));
  }
}

TEST(SafetensorsHeader, OtherJsonThanTheFormats) {
  EXPECT_THAT(refusal(safetensors_bytes(R"({"a":1})", "")), HasSubstr("tensor 'a' is 1"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"a":[]})", "")), HasSubstr("tensor 'a' is a list"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"a":null})", "")), HasSubstr("tensor 'a' is null"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"__metadata__":{"x":1}})", "")),
              HasSubstr("__metadata__ holds 1 under 'x'"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"__metadata__":{"x":{}}})", "")),
              HasSubstr("an object"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"__metadata__":[]})", "")), HasSubstr("a list"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F32","shape":[1])", 4),
              HasSubstr("has no data_offsets"));
  EXPECT_THAT(refusal_of_tensor("", 0), HasSubstr("has no dtype"));
  EXPECT_THAT(refusal_of_tensor(R"("color":1)", 0), HasSubstr("a key 'color'"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":1)", 0), HasSubstr("has 1 as its dtype"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":[])", 0), HasSubstr("a list as its dtype"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":{})", 0), HasSubstr("an object as its dtype"));
  EXPECT_THAT(refusal_of_tensor(R"("shape":"1")", 0), HasSubstr("'1' as its shape"));
  EXPECT_THAT(refusal_of_tensor(R"("shape":[[1]])", 0), HasSubstr("a list in its shape"));
  EXPECT_THAT(refusal_of_tensor(R"("shape":[-1])", 0), HasSubstr("-1 in its shape"));
  EXPECT_THAT(refusal_of_tensor(R"("shape":[1.5])", 0), HasSubstr("'1.5' in its shape"));
  EXPECT_THAT(refusal_of_tensor(R"("shape":[true])", 0), HasSubstr("true in its shape"));
  EXPECT_THAT(refusal_of_tensor(R"("shape":[99999999999999999999])", 0), HasSubstr("in its shape"));
  for (const char* offsets : {"[]", "[0]", "[0,1,2]"}) {
    EXPECT_THAT(refusal_of_tensor(std::string("\"data_offsets\":") + offsets, 0),
                HasSubstr("not two numbers"));
  }
}

TEST(SafetensorsHeader, NamesAndKeysThatAreThereTwice) {
  const std::string tensor = R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(refusal(safetensors_bytes("{\"a\":" + tensor + ",\"a\":" + tensor + "}", "")),
              HasSubstr("tensor 'a' has this name twice"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F32","dtype":"F16")", 0), HasSubstr("'dtype' twice"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"__metadata__":{},"__metadata__":{}})", "")),
              HasSubstr("twice"));
}

TEST(SafetensorsHeader, DeepNestingIsRefusedAtOnce) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(refusal(safetensors_bytes("{\"a\":" + deep, "")), HasSubstr("tensor 'a' is a list"));
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"a\":{";
  EXPECT_THAT(refusal(safetensors_bytes(objects, "")), HasSubstr("a key 'a'"));
}

TEST(SafetensorsHeader, ShapesThatDoNotFitTheirBytes) {
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4),
              AllOf(HasSubstr("is F32 [2], which is 8 bytes"), HasSubstr("hold 4")));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F32","shape":[],"data_offsets":[0,0])", 0),
              HasSubstr("which is 4 bytes"));
  // 2^62 elements of 4 bytes wrap around to 0 bytes.
  EXPECT_THAT(
      refusal_of_tensor(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])", 0),
      HasSubstr("far too many"));
  EXPECT_THAT(
      refusal_of_tensor(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
      HasSubstr("far too many"));
  std::string many = R"("dtype":"U8","data_offsets":[0,1],"shape":[1)";
  for (int i = 0; i < 16; ++i) many += ",1";
  EXPECT_THAT(refusal_of_tensor(many + "]", 1), HasSubstr("more than 16 dimensions"));
}

TEST(SafetensorsHeader, OffsetsThatLie) {
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4),
              HasSubstr("ends at 0 before it begins at 4"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 7),
              AllOf(HasSubstr("ends at offset 8"), HasSubstr("7 bytes long")));
  EXPECT_THAT(
      refusal_of_tensor(
          R"("dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615])",
          1),
      HasSubstr("cut short"));
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"U8","shape":[1],"data_offsets":[1,2])", 2),
              HasSubstr("the tensors before it end at 0"));
  EXPECT_THAT(refusal(safetensors_bytes("{}", "x")), HasSubstr("which is 1 bytes long"));
}

std::string two_tensors(const std::string& a, const std::string& b) {
  return safetensors_bytes(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
                               R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}",
                           "abcd");
}

TEST(SafetensorsHeader, EveryByteBelongsToOneTensor) {
  EXPECT_EQ(parse(two_tensors("[0,2]", "[2,4]")).entries.size(), 2u);
  EXPECT_EQ(parse(two_tensors("[2,4]", "[0,2]")).entries.size(), 2u);
  EXPECT_THAT(refusal(two_tensors("[0,2]", "[1,3]")), HasSubstr("inside another tensor"));
  EXPECT_THAT(refusal(two_tensors("[0,2]", "[0,2]")), HasSubstr("'b' begins at offset 0 inside"));
  EXPECT_THAT(refusal(two_tensors("[0,2]", "[3,5]")), HasSubstr("cut short"));
  EXPECT_THAT(refusal(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                        R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                                        "abc")),
              HasSubstr("the tensors before it end at 1"));
}

TEST(SafetensorsHeader, UnknownTypesAreKeptApartAndStillCoverTheirBytes) {
  const auto header =
      parse(safetensors_bytes(R"({"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]},)"
                              R"("b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
                              "abcd"));
  EXPECT_EQ(header.unreadable.at("a"), "F8_E4M3");
  EXPECT_EQ(header.entries.size(), 1u);
  EXPECT_THAT(refusal_of_tensor(R"("dtype":"F4","shape":[9],"data_offsets":[0,9])", 8),
              HasSubstr("cut short"));
}

TEST(SafetensorsHeader, HostileNamesAreShownHarmlessly) {
  EXPECT_THAT(refusal(safetensors_bytes(R"({"\u001b[2J\n":1})", "")),
              HasSubstr(R"('\x1b[2J\x0a')"));
  const std::string message =
      refusal(safetensors_bytes("{\"" + std::string(100'000, 'n') + "\":1}", ""));
  EXPECT_LT(message.size(), 300u);
}

}  // namespace
}  // namespace tessera::model
