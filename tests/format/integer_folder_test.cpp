#include "format/integer_folder.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/safetensors_file.hpp"
#include "tests/format/integer_folder_fixture.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using solver::IntegerLayer;
using test::RandomIntegers;
using ::testing::HasSubstr;

constexpr auto kGptq = IntegerFormat::gptq;
constexpr auto kCompressed = IntegerFormat::compressed_tensors;

const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kDown = "model.layers.1.mlp.down_proj";

template <class T>
bool equal(const Matrix<T>& a, const Matrix<T>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && std::ranges::equal(a.span(), b.span());
}

/// Every array of every layer, bit for bit, and the weights by the formula.
void expect_same(const IntegerFolder& folder, const std::map<std::string, IntegerLayer>& layers) {
  ASSERT_EQ(folder.packed_layers().size(), layers.size());
  for (const auto& [name, layer] : layers) {
    const IntegerLayer read = folder.packed_layer(name);
    EXPECT_EQ(read.bits, layer.bits);
    EXPECT_EQ(read.is_symmetric, layer.is_symmetric);
    EXPECT_EQ(read.scale_type, layer.scale_type);
    EXPECT_EQ(read.input, layer.input);
    ASSERT_TRUE(equal(read.codes, layer.codes)) << name;
    ASSERT_TRUE(equal(read.scale, layer.scale)) << name;
    ASSERT_TRUE(equal(read.zero_point, layer.zero_point)) << name;
    ASSERT_EQ(read.bias, layer.bias) << name;
    EXPECT_EQ(folder.input_quantization(name), layer.input);
    const Matrix<float> weight =
        folder.read_matrix(name + ".weight", layer.out_features, layer.in_features);
    for (std::size_t i = 0; i < weight.rows(); ++i) {
      for (std::size_t j = 0; j < weight.cols(); ++j) {
        const std::size_t g = j / layer.group_size;
        const int steps = layer.codes(i, j) - layer.zero_point(i, g);
        ASSERT_EQ(weight(i, j), layer.scale(i, g) * static_cast<float>(steps)) << name;
      }
    }
  }
}

TEST(IntegerFolderSchemes, ReadsLayersOfSeveralSchemes) {
  const test::TemporaryFolder scratch;
  test::write_small_model(scratch / "model");
  const auto mixed = [](const std::string& name, RandomIntegers& wanted) {
    wanted.group_size = 32;
    if (name == kQ) wanted.bits = 3;
    if (name == kDown) wanted.bits = 8, wanted.group_size = 0;
    return name.find("k_proj") == name.npos;
  };
  const auto layers =
      test::pack_integer_model(scratch / "model", scratch / "packed", kCompressed, mixed);
  expect_same(IntegerFolder(scratch / "packed"), layers);
  // A packed layer that no group names is damage.
  const fs::path file = scratch / "packed/config.json";
  std::string config = read_text_file(file);
  config.replace(config.find(kDown), kDown.size(), "model.layers.7.mlp.down_proj");
  write_file_atomically(file, config);
  EXPECT_THAT([&] { const IntegerFolder damaged(scratch / "packed"); },
              testing::ThrowsMessage<InputError>(HasSubstr("no group of config.json names it")));
}

TEST_F(IntegerFolderTest, ReadsEveryWidthAndGroup) {
  for (const std::uint64_t bits : {2, 3, 4, 8}) {
    for (const std::uint64_t group_size : {0, 32}) {
      for (const StoredType type :
           {StoredType::float16, StoredType::bfloat16, StoredType::float32}) {
        const auto layers =
            pack(kCompressed, {.bits = bits, .group_size = group_size, .scale_type = type});
        expect_same(IntegerFolder(packed()), layers);
      }
    }
    // 64 and 96 inputs: whole groups, a ragged last one, groups as long as the row or longer.
    for (const std::uint64_t group_size : {0, 16, 32, 64, 128}) {
      for (const bool is_symmetric : {true, false}) {
        const auto layers = pack(kGptq, [&](const std::string&, RandomIntegers& wanted) {
          wanted.bits = bits;
          wanted.group_size = std::min(group_size, wanted.in_features);
          wanted.is_symmetric = is_symmetric;
          return group_size != 128 || wanted.in_features == 64;
        });
        expect_same(IntegerFolder(packed()), layers);
      }
    }
  }
}

TEST_F(IntegerFolderTest, ReadsQuantizedInputs) {
  RandomIntegers wanted{.bits = 8, .scale_type = StoredType::bfloat16};
  for (const InputQuantization& input :
       {InputQuantization{}, InputQuantization{.is_dynamic = false},
        InputQuantization{.is_dynamic = false, .zero_point = -128}}) {
    wanted.input = input;
    const auto layers = pack(kCompressed, wanted);
    expect_same(IntegerFolder(packed()), layers);
  }
  const IntegerFolder folder(packed());
  EXPECT_EQ(folder.input_quantization(kQ)->zero_point, -128);
  EXPECT_EQ(folder.input_quantization("lm_head"), std::nullopt);
}

TEST_F(IntegerFolderTest, OneZeroPointIsEnoughForAllToHaveOne) {
  const auto layers = pack(kCompressed, [](const std::string& name, RandomIntegers& wanted) {
    wanted.bits = 8;
    wanted.input = InputQuantization{.is_dynamic = false, .zero_point = name == kQ ? 5 : 0};
    return true;
  });
  expect_same(IntegerFolder(packed()), layers);
}

TEST_F(IntegerFolderTest, SizesThatNothingDivides) {
  test::write_tiny_model(model());  // 40 and 52 inputs
  for (const std::uint64_t bits : {2, 3, 4, 8}) {
    const auto layers = pack(kCompressed, {.bits = bits});
    expect_same(IntegerFolder(packed()), layers);
  }
}

TEST_F(IntegerFolderTest, LayersLeftAloneAndShards) {
  for (const auto format : {kGptq, kCompressed}) {
    const auto layers = pack(
        format, [](const std::string& name, RandomIntegers&) { return name != kDown; }, {}, 4000);
    EXPECT_FALSE(fs::exists(packed() / "model.safetensors"));
    const IntegerFolder folder(packed());
    expect_same(folder, layers);
    EXPECT_EQ(folder.info(kDown + ".weight").to_text(), "F16 [64, 96]");
    EXPECT_THROW(folder.packed_layer(kDown), InputError);
  }
}

TEST_F(IntegerFolderTest, BiasesOfAllKinds) {
  const auto with_bias = [](const std::string&, RandomIntegers& wanted) {
    wanted.has_bias = true;
    return true;
  };
  for (const auto format : {kGptq, kCompressed}) {
    const auto layers = pack(format, with_bias, {true, true});
    expect_same(IntegerFolder(packed()), layers);
  }
  // The original's own, replaced.
  test::write_small_model(model(), "\"attention_bias\": true,");
  const auto layers = pack(kGptq, RandomIntegers{.has_bias = false});
  EXPECT_TRUE(IntegerFolder(packed()).packed_layer(kQ).has_bias);  // copied
  EXPECT_FALSE(IntegerFolder(packed()).packed_layer(kDown).has_bias);
}

TEST_F(IntegerFolderTest, TensorsGoByTheirPlainNames) {
  for (const auto format : {kGptq, kCompressed}) {
    pack(format, RandomIntegers{});
    const IntegerFolder folder(packed());
    EXPECT_TRUE(folder.contains(kQ + ".weight"));
    EXPECT_TRUE(folder.contains("model.embed_tokens.weight"));
    for (const char* part : {".qweight", ".scales", ".weight_packed", ".weight_scale", ".bias"}) {
      EXPECT_FALSE(folder.contains(kQ + part));
    }
    EXPECT_EQ(folder.info(kQ + ".weight").to_text(), "F32 [64, 64]");
    EXPECT_THROW(folder.info("lm_head.weight"), InputError);
    for (const std::string& name : {kQ + ".weight", std::string("model.embed_tokens.weight")}) {
      const std::size_t count = folder.info(name).shape[0];
      const Matrix<float> whole = folder.read_matrix(name, count, 64);
      const Matrix<float> last = folder.read_matrix_rows(name, count, 64, {count - 1, count});
      EXPECT_TRUE(std::ranges::equal(last.span(), whole.span().last(64))) << name;
    }
    std::vector<float> norm(64);
    folder.read("model.norm.weight", norm);
    EXPECT_NE(norm[0], 0);
  }
}

}  // namespace
}  // namespace tessera::format
