#include "format/integer_tensors.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "tests/format/random_integer_layer.hpp"

namespace tessera::format {
namespace {

using solver::IntegerLayer;
using test::RandomIntegers;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kGptq = IntegerFormat::gptq;
constexpr auto kCompressed = IntegerFormat::compressed_tensors;

/// A random layer "a" with @p change applied, and its tensors by name.
class Written {
 public:
  Written(
      const RandomIntegers& wanted, IntegerFormat format,
      const std::function<void(IntegerLayer&)>& change = [](IntegerLayer&) {}) {
    IntegerSizes sizes;
    sizes.emplace("a", test::random_sizes("a", wanted));
    const auto load = [wanted, change](const std::string& name) {
      IntegerLayer layer = test::random_integer_layer(name, wanted);
      change(layer);
      return layer;
    };
    tensors_ = integer_tensors(sizes, load, format).at("a");
  }

  std::string list() const {
    std::string text;
    for (const auto& tensor : tensors_) text += tensor.name + " " + tensor.info.to_text() + "; ";
    return text;
  }
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const auto found = std::ranges::find(tensors_, name, &model::TensorToWrite::name);
    if (found == tensors_.end()) throw std::out_of_range(name);
    std::vector<T> values(found->info.count());
    found->fill(std::as_writable_bytes(std::span(values)));
    return values;
  }
  /// What filling all of them throws.
  std::string bug() const {
    try {
      for (const auto& tensor : tensors_) {
        std::vector<std::byte> bytes(tensor.bytes());
        tensor.fill(bytes);
      }
    } catch (const Bug& error) {
      return error.what();
    }
    return "";
  }

 private:
  std::vector<model::TensorToWrite> tensors_;
};

TEST(IntegerTensors, NamesTypesAndShapes) {
  RandomIntegers wanted{.out_features = 64, .in_features = 96, .group_size = 32};
  EXPECT_EQ(
      Written(wanted, kGptq).list(),
      "a.qweight I32 [12, 64]; a.qzeros I32 [3, 8]; a.scales F16 [3, 64]; a.g_idx I32 [96]; ");
  wanted.has_bias = true;
  EXPECT_EQ(Written(wanted, kCompressed).list(),
            "a.weight_packed I32 [64, 12]; a.weight_scale F16 [64, 3]; a.weight_shape I64 [2]; "
            "a.bias F16 [64]; ");
  wanted = {.out_features = 5, .in_features = 7, .bits = 8, .scale_type = StoredType::bfloat16};
  wanted.input.emplace();
  EXPECT_EQ(Written(wanted, kCompressed).list(),
            "a.weight I8 [5, 7]; a.weight_scale BF16 [5, 1]; ");
  wanted.input->is_dynamic = false;
  EXPECT_EQ(Written(wanted, kCompressed).list(),
            "a.weight I8 [5, 7]; a.weight_scale BF16 [5, 1]; a.input_scale BF16 [1]; ");
  wanted.input->zero_point = -3;
  const Written asymmetric(wanted, kCompressed);
  EXPECT_THAT(asymmetric.list(), HasSubstr("a.input_scale BF16 [1]; a.input_zero_point I8 [1]; "));
  EXPECT_THAT(asymmetric.values<std::int8_t>("a.input_zero_point"), ElementsAre(-3));
}

// Codes 10 and 21 straddle words.
TEST(IntegerTensors, ThreeBitRowWorkedByHand) {
  const auto change = [](IntegerLayer& l) {
    std::ranges::fill(l.codes.span(), std::uint8_t{0});
    l.codes(0, 0) = 7;
    l.codes(0, 10) = 5;
    l.codes(0, 21) = 6;
    l.codes(0, 31) = 4;
  };
  const RandomIntegers wanted{.out_features = 32, .in_features = 32, .bits = 3};
  const auto packed = Written(wanted, kCompressed, change).values<std::uint32_t>("a.weight_packed");
  EXPECT_THAT(std::span(packed).first(3), ElementsAre(0x40000007u, 0x00000001u, 0x80000003u));
  EXPECT_THAT(std::span(packed).subspan(3), Each(0u));
  const auto qweight = Written(wanted, kGptq, change).values<std::uint32_t>("a.qweight");
  EXPECT_EQ(qweight[0], 0x40000007u);
  EXPECT_EQ(qweight[32], 0x00000001u);
  EXPECT_EQ(qweight[64], 0x80000003u);
}

TEST(IntegerTensors, FourBitRowWorkedByHand) {
  const auto change = [](IntegerLayer& l) {
    for (std::size_t j = 0; j < 32; ++j) l.codes(0, j) = static_cast<std::uint8_t>(j % 16);
  };
  const RandomIntegers wanted{.out_features = 32, .in_features = 32};
  const auto packed = Written(wanted, kCompressed, change).values<std::uint32_t>("a.weight_packed");
  EXPECT_THAT(std::span(packed).first(4),
              ElementsAre(0x76543210u, 0xFEDCBA98u, 0x76543210u, 0xFEDCBA98u));
  const auto qweight = Written(wanted, kGptq, change).values<std::uint32_t>("a.qweight");
  EXPECT_EQ(qweight[0], 0x76543210u);
  EXPECT_EQ(qweight[32], 0xFEDCBA98u);
}

TEST(IntegerTensors, LastWordIsFilledWithZeros) {
  const auto change = [](IntegerLayer& l) { std::ranges::fill(l.codes.span(), std::uint8_t{7}); };
  const Written written({.out_features = 1, .in_features = 11, .bits = 3}, kCompressed, change);
  EXPECT_THAT(written.values<std::uint32_t>("a.weight_packed"), ElementsAre(0xFFFFFFFFu, 1u));
}

// The constants that files of other tools hold.
TEST(IntegerTensors, SymmetricZeroPointsAreTheKnownWords) {
  const auto words = [](std::uint64_t bits) {
    const RandomIntegers wanted{
        .out_features = 32, .in_features = 64, .bits = bits, .group_size = 32};
    return Written(wanted, kGptq).values<std::uint32_t>("a.qzeros");
  };
  EXPECT_THAT(words(2), AllOf(testing::SizeIs(4), Each(0x55555555u)));
  EXPECT_THAT(words(3), ElementsAre(0x24924924u, 0x49249249u, 0x92492492u, 0x24924924u, 0x49249249u,
                                    0x92492492u));
  EXPECT_THAT(words(4), AllOf(testing::SizeIs(8), Each(0x77777777u)));
  EXPECT_THAT(words(8), AllOf(testing::SizeIs(16), Each(0x7F7F7F7Fu)));
}

TEST(IntegerTensors, AsymmetricZeroPointsAreStoredLessOneOrWhole) {
  const auto first_word = [](std::uint64_t bits) {
    const RandomIntegers wanted{
        .out_features = 32, .in_features = 32, .bits = bits, .is_symmetric = false};
    return Written(wanted, kGptq,
                   [](IntegerLayer& l) { std::ranges::fill(l.zero_point.span(), std::uint8_t{1}); })
        .values<std::uint32_t>("a.qzeros")[0];
  };
  EXPECT_EQ(first_word(2), 0x55555555u);  // gptq_v2
  EXPECT_EQ(first_word(3), 0x49249249u);  // gptq_v2
  EXPECT_EQ(first_word(4), 0u);
  EXPECT_EQ(first_word(8), 0u);
}

TEST(IntegerTensors, EightBitCodesAreStoredSigned) {
  RandomIntegers wanted{.out_features = 1, .in_features = 3, .bits = 8};
  wanted.input.emplace();
  const Written written(wanted, kCompressed, [](IntegerLayer& l) {
    l.codes(0, 0) = 0, l.codes(0, 1) = 128, l.codes(0, 2) = 255;
  });
  EXPECT_THAT(written.values<std::int8_t>("a.weight"), ElementsAre(-128, 0, 127));
}

TEST(IntegerTensors, ARaggedLastGroupHasItsScale) {
  const RandomIntegers wanted{.out_features = 32, .in_features = 96, .group_size = 64};
  const Written written(wanted, kGptq);
  const auto g_idx = written.values<std::int32_t>("a.g_idx");
  EXPECT_THAT(std::span(g_idx).first(64), Each(0));
  EXPECT_THAT(std::span(g_idx).subspan(64), Each(1));
  EXPECT_EQ(written.values<std::uint16_t>("a.scales").size(), 2u * 32);
}

TEST(IntegerTensors, EachLayerIsLoadedOnce) {
  const RandomIntegers wanted{.out_features = 32, .in_features = 32, .has_bias = true};
  IntegerSizes sizes;
  for (const char* name : {"a", "b"}) sizes.emplace(name, test::random_sizes(name, wanted));
  std::string loaded;
  const auto load = [&](const std::string& name) {
    loaded += name;
    return test::random_integer_layer(name, wanted);
  };
  for (const auto& [layer, tensors] : integer_tensors(sizes, load, kGptq)) {
    for (const auto& tensor : tensors) {
      std::vector<std::byte> bytes(tensor.bytes());
      tensor.fill(bytes);
    }
  }
  EXPECT_EQ(loaded, "ab");
  EXPECT_TRUE(integer_tensors({}, load, kGptq).empty());
}

TEST(IntegerTensors, LayersThatBreakTheirPromisesAreBugsWithTheirNames) {
  const RandomIntegers wanted{.out_features = 32, .in_features = 64, .group_size = 32};
  const auto bug = [&](const std::function<void(IntegerLayer&)>& change,
                       IntegerFormat format = kGptq) {
    return Written(wanted, format, change).bug();
  };
  EXPECT_EQ(bug([](IntegerLayer&) {}), "");
  EXPECT_THAT(bug([](IntegerLayer& l) { l.bits = 3; }),
              HasSubstr("a was announced with other sizes than it has"));
  EXPECT_THAT(bug([](IntegerLayer& l) { l.codes = Matrix<std::uint8_t>(32, 63); }),
              HasSubstr("a has codes of [32, 63], not [32, 64]"));
  EXPECT_THAT(bug([](IntegerLayer& l) { l.codes(3, 5) = 16; }),
              HasSubstr("a has the code 16 at row 3, column 5 (beyond 4 bits)"));
  for (const float bad : {0.f, -1.f, 0.1f, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(
        bug([bad](IntegerLayer& l) { l.scale(3, 1) = bad; }),
        AllOf(HasSubstr("a has the scale"), HasSubstr("at row 3, group 1 (not a positive F16)")))
        << bad;
  }
  EXPECT_THAT(bug([](IntegerLayer& l) { l.zero_point(2, 1) = 9; }, kCompressed),
              HasSubstr("a has the zero point 9 at row 2, group 1 (the format holds 8 to 8)"));
  EXPECT_THAT(bug([](IntegerLayer& l) { l.bias.push_back(0); }),
              HasSubstr("a has a bias of 1 numbers, not 0"));
}

TEST(IntegerTensors, AZeroPointOfZeroOnlyWhereItIsStoredWhole) {
  const auto bug = [](std::uint64_t bits) {
    const RandomIntegers wanted{
        .out_features = 32, .in_features = 32, .bits = bits, .is_symmetric = false};
    return Written(wanted, kGptq, [](IntegerLayer& l) { l.zero_point(7, 0) = 0; }).bug();
  };
  EXPECT_EQ(bug(2), "");
  EXPECT_EQ(bug(3), "");
  EXPECT_THAT(bug(4),
              HasSubstr("a has the zero point 0 at row 7, group 0 (the format holds 1 to 15)"));
  EXPECT_THAT(bug(8), HasSubstr("(the format holds 1 to 255)"));
}

}  // namespace
}  // namespace tessera::format
