#include "format/residual_tensors.hpp"

#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "tests/format/random_residual.hpp"

namespace tessera::format {
namespace {

using residual::ResidualLayer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

std::vector<std::byte> filled(const model::TensorToWrite& tensor) {
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.fill(bytes);
  return bytes;
}

std::vector<std::uint32_t> words_of(const model::TensorToWrite& tensor) {
  const auto bytes = filled(tensor);
  std::vector<std::uint32_t> words(bytes.size() / 4);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

/// One channel after the other with the given codes; all else as simple as it may be.
ResidualLayer layer_of(std::uint64_t bits, std::vector<std::vector<int>> codes) {
  ResidualLayer layer;
  layer.bits = bits;
  layer.in_features = codes.size();
  layer.out_features = codes[0].size();
  layer.codes = Matrix<std::uint8_t>(layer.in_features, layer.out_features);
  for (std::size_t j = 0; j < codes.size(); ++j) {
    for (std::size_t i = 0; i < codes[j].size(); ++i) {
      layer.codes(j, i) = static_cast<std::uint8_t>(codes[j][i]);
    }
    layer.static_order.push_back(static_cast<std::uint32_t>(j));
  }
  layer.scale.assign(layer.out_features, 1.0F);
  layer.top_magnitude.assign(layer.in_features, 1.0F);
  layer.column_norm.assign(layer.in_features, 1.0F);
  return layer;
}

std::vector<model::TensorToWrite> tensors_of(const std::function<ResidualLayer()>& make) {
  const ResidualLayer l = make();
  return residual_tensors({{"a", {l.out_features, l.in_features, l.bits}}},
                          [make](const std::string&) { return make(); });
}

// qdec.md section 1: channel 8c + n in bits 4n to 4n + 3 of word c.
TEST(ResidualTensors, AtFourBitsWordsAreDecdecs) {
  const auto tensors = tensors_of([] {
    return layer_of(4, {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1},
                        {8, 8, 8, 8, 8, 8, 8, 8, 15, 1, 8, 8, 8, 8, 8, 2}});
  });
  EXPECT_EQ(tensors[0].name, "a.residual_q");
  EXPECT_EQ(tensors[0].info.to_text(), "I32 [2, 2]");
  EXPECT_THAT(words_of(tensors[0]), ElementsAre(0x87654321, 0x1FEDCBA9, 0x88888888, 0x2888881F));
}

// 3 bits: code 10 begins at bit 30 and ends in the next word. 32 codes, 1 to 7 in turn, as one
// number of 96 bits worked out by hand: seven codes make 21 bits, 0b111110101100011010001.
TEST(ResidualTensors, OtherBitsCrossTheBordersOfWords) {
  std::vector<int> codes;
  for (int i = 0; i < 32; ++i) codes.push_back(i % 7 + 1);
  const auto tensors = tensors_of([&] { return layer_of(3, {codes}); });
  EXPECT_EQ(tensors[0].info.to_text(), "I32 [1, 3]");
  constexpr std::uint64_t kSeven = 0b111'110'101'100'011'010'001;
  const std::uint64_t low = kSeven | kSeven << 21 | kSeven << 42 | kSeven << 63;
  const std::uint64_t high = kSeven >> 1 | std::uint64_t{0b100'011'010'001} << 20;  // 4 codes more
  EXPECT_THAT(words_of(tensors[0]),
              ElementsAre(static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32),
                          static_cast<std::uint32_t>(high)));
}

TEST(ResidualTensors, TheOthersAreHalvesFloatsAndIndices) {
  const auto tensors = tensors_of([] { return test::random_residual(8, 3, 8); });
  std::vector<std::string> texts;
  for (const auto& tensor : tensors) texts.push_back(tensor.name + " " + tensor.info.to_text());
  EXPECT_THAT(texts, ElementsAre("a.residual_q I32 [3, 2]", "a.residual_scale F16 [8]",
                                 "a.act_topk_max F32 [3]", "a.residual_colnorm F16 [3]",
                                 "a.static_order I32 [3]"));
}

// DecDEC's loader makes halves of them.
TEST(ResidualTensors, MagnitudesBeyondHalvesAreClamped) {
  const auto tensors = tensors_of([] {
    ResidualLayer layer = test::random_residual(8, 3, 4);
    layer.top_magnitude = {1e30F, 65505.0F, 65503.5F};
    return layer;
  });
  std::vector<float> values(3);
  convert_to_float(DType::f32, filled(tensors[2]).data(), values);
  EXPECT_THAT(values, ElementsAre(65504.0F, 65504.0F, 65503.5F));
}

TEST(ResidualTensors, EachLayerIsLoadedOnce) {
  std::string order;
  const auto tensors =
      residual_tensors({{"a", {8, 5, 4}}, {"b", {16, 2, 4}}}, [&](const std::string& layer) {
        order += layer;
        return layer == "a" ? test::random_residual(8, 5, 4) : test::random_residual(16, 2, 4);
      });
  EXPECT_EQ(tensors.size(), 10u);
  for (const auto& tensor : tensors) filled(tensor);
  EXPECT_EQ(order, "ab");
}

TEST(ResidualProblems, AreTheSizesThatDoNotFillWords) {
  for (const ResidualSizes& fine :
       {ResidualSizes{8, 1, 4}, ResidualSizes{16, 3, 2}, ResidualSizes{32, 5, 3},
        ResidualSizes{4, 1, 8}, ResidualSizes{4096, 14336, 4}}) {
    EXPECT_THAT(residual_problems(fine), IsEmpty());
  }
  EXPECT_THAT(residual_problems({12, 5, 4}),
              ElementsAre(testing::AllOf(HasSubstr("its 12 outputs of 4 bits do not fill words"),
                                         HasSubstr("quantize.ignore, or choose residual.bits 8"))));
  EXPECT_THAT(residual_problems({16, 5, 3}), ElementsAre(HasSubstr("residual.bits 2 or 4 or 8")));
  EXPECT_THAT(residual_problems({7, 5, 8}), ElementsAre(HasSubstr("by quantize.ignore.")));
  EXPECT_THAT(residual_problems({8, 5, 5}),
              ElementsAre(HasSubstr("5 bits (a residual file holds 2, 3, 4, 8)")));
  EXPECT_THAT(residual_problems({8, 5, 0}), ElementsAre(HasSubstr("residual.bits")));
  EXPECT_THAT(residual_problems({8, 0, 4}), ElementsAre(HasSubstr("[8, 0]")));
  EXPECT_THAT(
      [] {
        residual_tensors({{"model.layers.3.x", {12, 5, 4}}}, nullptr);
      },
      ThrowsMessage<InputError>(HasSubstr("model.layers.3.x: its 12 outputs")));
}

TEST(ResidualTensors, OfOneFileHaveTheSameBits) {
  EXPECT_THROW(residual_tensors({{"a", {32, 5, 4}}, {"b", {32, 2, 3}}}, nullptr), Bug);
}

/// What the writer says of a good layer after @p spoil.
std::string refusal(const std::function<void(ResidualLayer&)>& spoil) {
  const auto tensors = residual_tensors({{"a", {8, 3, 4}}}, [&](const std::string&) {
    ResidualLayer layer = test::random_residual(8, 3, 4);
    spoil(layer);
    return layer;
  });
  try {
    filled(tensors[0]);
  } catch (const Bug& bug) {
    return bug.what();
  }
  return "";
}

TEST(ResidualTensors, RefuseWhatNoReaderWouldTake) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(refusal([](ResidualLayer&) {}), "");
  EXPECT_THAT(refusal([](ResidualLayer& l) { l = test::random_residual(16, 3, 4); }),
              HasSubstr("the residual of a was announced with other sizes"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.bits = 8; }), HasSubstr("other sizes"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.codes = Matrix<std::uint8_t>(8, 3); }),
              HasSubstr("arrays of other sizes"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.top_magnitude.clear(); }), HasSubstr("arrays"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.static_order.clear(); }), HasSubstr("an order"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.static_order[0] = l.static_order[1]; }),
              HasSubstr("an order"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.static_order[0] = 3; }), HasSubstr("an order"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.codes(2, 7) = 0; }), HasSubstr("a code"));
  EXPECT_THAT(refusal([](ResidualLayer& l) { l.codes(2, 7) = 16; }), HasSubstr("a code"));
  for (const float bad : {kNaN, kInfinity, -0.5F, 0.1F}) {  // 0.1 is no half
    EXPECT_THAT(refusal([&](ResidualLayer& l) { l.scale[7] = bad; }), HasSubstr("a scale"));
    EXPECT_THAT(refusal([&](ResidualLayer& l) { l.column_norm[2] = bad; }), HasSubstr("a norm"));
  }
  for (const float bad : {kNaN, kInfinity, -0.5F, 1e9F}) {  // the last rises
    EXPECT_THAT(refusal([&](ResidualLayer& l) { l.top_magnitude[2] = bad; }),
                HasSubstr("largest magnitudes"));
  }
}

}  // namespace
}  // namespace tessera::format
