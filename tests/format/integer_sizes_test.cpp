#include "format/integer_sizes.hpp"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include "core/error.hpp"
#include "format/integer_schemes.hpp"
#include "tests/format/random_integer_layer.hpp"

namespace tessera::format {
namespace {

using test::RandomIntegers;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kGptq = IntegerFormat::gptq;
constexpr auto kCompressed = IntegerFormat::compressed_tensors;
constexpr RandomIntegers kPlain{.out_features = 64, .in_features = 576, .group_size = 64};

template <class Change>
std::vector<std::string> problems(IntegerFormat format, Change change) {
  RandomIntegers wanted = kPlain;
  change(wanted);
  return integer_format_problems(test::random_sizes("a", wanted), format);
}

TEST(IntegerFormatProblems, EveryWidthGoesInBothFormats) {
  for (const std::uint64_t bits : {2, 3, 4, 8}) {
    for (const std::uint64_t group_size : {0, 32, 64}) {
      for (const auto format : {kGptq, kCompressed}) {
        EXPECT_THAT(problems(format, [&](auto& w) { w.bits = bits, w.group_size = group_size; }),
                    IsEmpty());
      }
      EXPECT_THAT(problems(kGptq, [&](auto& w) { w.bits = bits, w.is_symmetric = false; }),
                  IsEmpty());
    }
  }
  EXPECT_THAT(problems(kGptq, [](auto& w) { w.group_size = 128; }), IsEmpty());  // ragged
}

TEST(IntegerFormatProblems, CompressedTensors) {
  EXPECT_THAT(problems(kCompressed, [](auto& w) { w.group_size = 128; }),
              ElementsAre(AllOf(HasSubstr("group_size 128 does not divide the layer's 576 input"),
                                HasSubstr("Choose a group size that divides every layer"))));
  EXPECT_THAT(problems(kCompressed, [](auto& w) { w.is_symmetric = false; }),
              ElementsAre(AllOf(HasSubstr("fails to load packed zero points"),
                                HasSubstr("choose the format gptq"))));
  for (const std::uint64_t bits : {0, 1, 5, 16}) {
    EXPECT_THAT(problems(kCompressed, [&](auto& w) { w.bits = bits; }),
                ElementsAre(HasSubstr("engines know 2, 3, 4 and 8")));
  }
  EXPECT_THAT(problems(kCompressed, [](auto& w) { w.out_features = 0; }),
              ElementsAre(HasSubstr("nothing to pack")));
}

TEST(IntegerFormatProblems, QuantizedInputs) {
  const auto with_inputs = [](auto change) {
    return problems(kCompressed, [&](auto& w) {
      w.bits = 8, w.group_size = 0;
      w.input.emplace();
      change(w);
    });
  };
  EXPECT_THAT(with_inputs([](auto&) {}), IsEmpty());
  EXPECT_THAT(with_inputs([](auto& w) { w.bits = 4; }), ElementsAre(HasSubstr("bits is 4 with")));
  EXPECT_THAT(with_inputs([](auto& w) { w.is_symmetric = false; }),
              ElementsAre(HasSubstr("the weights are asymmetric and the inputs quantized")));
  EXPECT_THAT(with_inputs([](auto& w) { w.group_size = 64; }),
              ElementsAre(HasSubstr("group_size is 64 of 576 input columns")));
  solver::IntegerLayer layer =
      test::random_sizes("a", {.out_features = 1, .in_features = 1, .bits = 8});
  for (const float scale : {0.f, -1.f, std::nanf(""), INFINITY}) {
    layer.input = InputQuantization{.is_dynamic = false, .scale = scale};
    EXPECT_THAT(integer_format_problems(layer, kCompressed),
                ElementsAre(HasSubstr("the input's scale is")));
  }
  layer.input = InputQuantization{.is_dynamic = false, .scale = 1, .zero_point = 128};
  EXPECT_THAT(integer_format_problems(layer, kCompressed),
              ElementsAre(HasSubstr("zero point is 128 (int8 holds -128 to 127)")));
}

TEST(IntegerFormatProblems, Gptq) {
  EXPECT_THAT(problems(kGptq, [](auto& w) { w.scale_type = StoredType::bfloat16; }),
              ElementsAre(HasSubstr("scales are BF16 (GPTQ's are F16)")));
  EXPECT_THAT(problems(kGptq, [](auto& w) { w.input.emplace(); }),
              ElementsAre(HasSubstr("GPTQ has no place for that")));
  EXPECT_THAT(
      problems(kGptq, [](auto& w) { w.group_size = 48; }),
      ElementsAre(HasSubstr("group_size is 48 (GPTQ's engines know 16, 32, 64, 128, 256, 512, "
                            "1024 and whole rows)")));
  EXPECT_THAT(
      problems(kGptq, [](auto& w) { w.out_features = 40; }),
      ElementsAre(HasSubstr("the layer is [40, 576] (GPTQ's engines load multiples of 32")));
  EXPECT_THAT(problems(kGptq, [](auto& w) { w.in_features = 600; }), testing::SizeIs(1));
}

TEST(StoresWholeZeroPoints, WhereEnginesMisreadTheOtherForm) {
  const auto whole = stores_whole_zero_points;
  EXPECT_FALSE(whole(2, true) || whole(4, true) || whole(8, true) || whole(4, false) ||
               whole(8, false));
  EXPECT_TRUE(whole(3, true) && whole(3, false) && whole(2, false));
}

/// Layers "a" and "b", the second changed.
template <class Change>
IntegerSizes two(RandomIntegers wanted, Change change) {
  IntegerSizes sizes;
  sizes.emplace("a", test::random_sizes("a", wanted));
  change(wanted);
  sizes.emplace("b", test::random_sizes("b", wanted));
  return sizes;
}

template <class Change>
std::string refusal(const RandomIntegers& wanted, Change change, IntegerFormat format = kGptq) {
  try {
    common_scheme(two(wanted, change), format);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(CommonScheme, NamesTwoLayersThatDiffer) {
  EXPECT_EQ(refusal(kPlain, [](auto& w) { w.in_features = 64, w.out_features = 32; }), "");
  EXPECT_THAT(refusal(kPlain, [](auto& w) { w.bits = 8; }),
              HasSubstr("a and b differ in bits (4 and 8)"));
  EXPECT_THAT(refusal(kPlain, [](auto& w) { w.group_size = 32; }),
              HasSubstr("a and b differ in group_size (64 and 32)"));
  EXPECT_THAT(refusal(kPlain, [](auto& w) { w.is_symmetric = false; }),
              HasSubstr("a and b differ in symmetry"));
  EXPECT_THAT(refusal(
                  kPlain, [](auto& w) { w.scale_type = StoredType::float32; }, kCompressed),
              HasSubstr("a and b differ in the type of their scales"));
  RandomIntegers w8{.out_features = 4, .in_features = 6, .bits = 8};
  EXPECT_THAT(refusal(
                  w8, [](auto& w) { w.input.emplace(); }, kCompressed),
              HasSubstr("differ in whether their inputs are quantized"));
  w8.input.emplace();
  EXPECT_THAT(refusal(
                  w8, [](auto& w) { w.input->is_dynamic = false; }, kCompressed),
              HasSubstr("differ in whether their inputs' scales are dynamic"));
  EXPECT_THAT(refusal(kPlain, [](auto& w) { w.out_features = 40; }),
              HasSubstr("b: the layer is [40"));
}

TEST(CommonScheme, OneScaleARowOfAnyLength) {
  const RandomIntegers rows{.out_features = 64, .in_features = 64};
  const auto longer = [](auto& w) { w.in_features = 96; };
  EXPECT_EQ(common_scheme(two(rows, longer), kCompressed).group_size, 0u);
  // A row shorter than the group has one scale: GPTQ means the same by both.
  const auto in_groups = [](auto& w) { w.in_features = 256, w.group_size = 128; };
  EXPECT_EQ(common_scheme(two(rows, in_groups), kGptq).group_size, 128u);
  EXPECT_THAT(refusal(rows, in_groups, kCompressed), HasSubstr("group_size (64 and 128)"));
  const auto as_long = [](auto& w) { w.in_features = 256, w.group_size = 64; };
  EXPECT_EQ(common_scheme(two(rows, as_long), kCompressed).group_size, 64u);
}

TEST(CommonScheme, OneZeroPointMakesAllInputsAsymmetric) {
  RandomIntegers wanted{.out_features = 4, .in_features = 6, .bits = 8};
  wanted.input = InputQuantization{.is_dynamic = false};
  EXPECT_TRUE(common_scheme(two(wanted, [](auto&) {}), kCompressed).input_is_symmetric);
  EXPECT_FALSE(common_scheme(two(wanted, [](auto& w) { w.input->zero_point = 1; }), kCompressed)
                   .input_is_symmetric);
}

template <class Change>
std::string groups_text(const RandomIntegers& wanted, Change change) {
  std::string text;
  for (const SchemeGroup& group : schemes_of(two(wanted, change), kCompressed)) {
    text += fmt::format("{}/{}:{} ", group.scheme.bits, group.scheme.group_size,
                        fmt::join(group.layers, "+"));
  }
  return text;
}

TEST(SchemesOf, FewerBitsAndShorterGroupsFirst) {
  const RandomIntegers wanted{.out_features = 64, .in_features = 128, .group_size = 64};
  EXPECT_EQ(groups_text(wanted, [](auto&) {}), "4/64:a+b ");
  EXPECT_EQ(groups_text(wanted, [](auto& w) { w.bits = 2; }), "2/64:b 4/64:a ");
  EXPECT_EQ(groups_text(wanted, [](auto& w) { w.group_size = 32; }), "4/32:b 4/64:a ");
  EXPECT_EQ(groups_text(wanted, [](auto& w) { w.group_size = 0; }), "4/64:a 4/0:b ");
  // Rows of any length that have one scale share a scheme.
  const RandomIntegers rows{.out_features = 64, .in_features = 64};
  EXPECT_EQ(groups_text(rows, [](auto& w) { w.in_features = 96; }), "4/0:a+b ");
  // A row as long as the groups are is one of them.
  EXPECT_EQ(groups_text(rows, [](auto& w) { w.in_features = 128, w.group_size = 64; }),
            "4/64:a+b ");
}

TEST(SchemesOf, DifferInNothingElse) {
  const auto refused = [](const RandomIntegers& wanted, auto change, IntegerFormat format) {
    try {
      schemes_of(two(wanted, change), format);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const RandomIntegers wanted{.out_features = 64, .in_features = 64, .group_size = 32};
  EXPECT_THAT(refused(
                  wanted, [](auto& w) { w.bits = 8; }, kGptq),
              HasSubstr("differ in bits"));
  const auto other_scales = [](auto& w) { w.bits = 8, w.scale_type = StoredType::float32; };
  EXPECT_THAT(refused(wanted, other_scales, kCompressed), HasSubstr("the type of their scales"));
  const auto ragged = [](auto& w) { w.bits = 8, w.group_size = 48; };
  EXPECT_THAT(refused(wanted, ragged, kCompressed), HasSubstr("b: group_size 48 does not divide"));
  const RandomIntegers rows{.out_features = 4, .in_features = 6};
  const auto inputs = [](auto& w) { w.bits = 8, w.input.emplace(); };
  EXPECT_THAT(refused(rows, inputs, kCompressed), HasSubstr("whether their inputs are quantized"));
}

}  // namespace
}  // namespace tessera::format
