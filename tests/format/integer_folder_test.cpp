#include "format/integer_folder.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/safetensors_file.hpp"
#include "tests/format/integer_fixtures.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/support/temporary_folder.hpp"

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

class IntegerFolderTest : public ::testing::Test {
 protected:
  IntegerFolderTest() { test::write_small_model(model()); }
  fs::path model() const { return folder_ / "model"; }
  fs::path packed() const { return folder_ / "packed"; }

  std::map<std::string, IntegerLayer> pack(IntegerFormat format, const test::IntegerWishes& wishes,
                                           DeclaredBiases biases = {},
                                           std::size_t max_shard_bytes = std::size_t{1} << 30) {
    return test::pack_integer_model(model(), packed(), format, wishes, biases, max_shard_bytes);
  }
  /// All layers alike, but for their shapes.
  std::map<std::string, IntegerLayer> pack(IntegerFormat format, const RandomIntegers& alike) {
    return pack(format, [&](const std::string&, RandomIntegers& wanted) {
      const std::uint64_t rows = wanted.out_features, columns = wanted.in_features;
      wanted = alike;
      wanted.out_features = rows;
      wanted.in_features = columns;
      return true;
    });
  }

  test::TemporaryFolder folder_;
};

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
    std::vector<float> norm(64);
    folder.read("model.norm.weight", norm);
    EXPECT_NE(norm[0], 0);
  }
}

/// A packed folder with one tensor changed after the writer was done.
class DamagedIntegerFolder : public IntegerFolderTest {
 protected:
  using Change = std::function<void(model::TensorInfo& info, std::vector<std::byte>& bytes)>;

  fs::path damaged() const { return folder_ / "damaged"; }
  void pack_gptq(bool is_symmetric = true) {
    pack(kGptq, RandomIntegers{.group_size = 32, .is_symmetric = is_symmetric});
  }
  void pack_static() {
    RandomIntegers wanted{.bits = 8};
    wanted.input = InputQuantization{.is_dynamic = false, .zero_point = 1};
    pack(kCompressed, wanted);
  }

  /// Rewrites the file with @p name changed, renamed (by @p renamed) or left out (no change given).
  /// Returns what opening the folder and reading q_proj throws.
  std::string after(const std::string& name, const Change& change,
                    const std::string& renamed = "") {
    const model::SafetensorsFolder files(packed());
    std::vector<model::TensorToWrite> tensors;
    for (const std::string& each : files.names()) {
      model::TensorInfo info = files.info(each);
      std::vector<std::byte> bytes(files.bytes(each).begin(), files.bytes(each).end());
      if (each == name && change == nullptr) continue;
      if (each == name) change(info, bytes);
      tensors.push_back(
          {each == name && !renamed.empty() ? renamed : each, info,
           [bytes](std::span<std::byte> out) { std::ranges::copy(bytes, out.data()); }});
    }
    fs::create_directories(damaged());
    model::write_safetensors(damaged(), tensors, 1 << 30);
    write_file_atomically(damaged() / "config.json", read_text_file(packed() / "config.json"));
    return message();
  }
  std::string message() const {
    try {
      const IntegerFolder folder(damaged());
      std::vector<float> weight(folder.info(kQ + ".weight").count());
      folder.read(kQ + ".weight", weight);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  template <class T>
  std::string with_value(const std::string& part, std::size_t position, T value) {
    return after(kQ + part, [=](model::TensorInfo&, std::vector<std::byte>& bytes) {
      std::memcpy(bytes.data() + position * sizeof(T), &value, sizeof(T));
    });
  }
  std::string retyped(const std::string& part, DType type) {
    return after(kQ + part, [type](model::TensorInfo& info, std::vector<std::byte>& bytes) {
      info.dtype = type;
      bytes.resize(info.count() * size_of(type));
    });
  }
  std::string reshaped(const std::string& part, const std::vector<std::size_t>& shape) {
    return after(kQ + part, [shape](model::TensorInfo& info, std::vector<std::byte>& bytes) {
      info.shape = shape;
      bytes.resize(info.count() * size_of(info.dtype));
    });
  }
};

constexpr auto kNothing = [](model::TensorInfo&, std::vector<std::byte>&) {};

TEST_F(DamagedIntegerFolder, MissingTensors) {
  pack_gptq();
  for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"}) {
    EXPECT_THAT(after(kQ + part, nullptr), HasSubstr(kQ + part));
  }
  pack(kCompressed, RandomIntegers{});
  for (const char* part : {".weight_packed", ".weight_scale", ".weight_shape"}) {
    EXPECT_THAT(after(kQ + part, nullptr), HasSubstr(kQ + part));
  }
  pack_static();
  for (const char* part : {".weight", ".weight_scale", ".input_scale", ".input_zero_point"}) {
    EXPECT_THAT(after(kQ + part, nullptr), HasSubstr(kQ + part));
  }
}

TEST_F(DamagedIntegerFolder, WrongTypesAndShapes) {
  pack_gptq();
  EXPECT_THAT(retyped(".qweight", DType::i64),
              HasSubstr(".qweight' is I64 [8, 64] (config.json makes it I32 [8, 64])"));
  EXPECT_THAT(retyped(".scales", DType::f32), HasSubstr("makes it F16 [2, 64]"));
  EXPECT_THAT(reshaped(".qzeros", {8, 2}), HasSubstr("makes it I32 [2, 8]"));
  EXPECT_THAT(reshaped(".g_idx", {63}), HasSubstr("makes it I32 [64]"));
  pack(kCompressed, RandomIntegers{});
  EXPECT_THAT(retyped(".weight_scale", DType::i16), HasSubstr("F16, BF16 or F32 is expected"));
  EXPECT_THAT(reshaped(".weight_packed", {64, 7}), HasSubstr("makes it I32 [64, 8]"));
  EXPECT_THAT(with_value<std::int64_t>(".weight_shape", 1, 65),
              HasSubstr("says [64, 65] (config.json makes it [64, 64])"));
  pack_static();
  EXPECT_THAT(retyped(".weight", DType::u8), HasSubstr("makes it I8 [64, 64]"));
  EXPECT_THAT(retyped(".input_zero_point", DType::i32), HasSubstr("makes it I8 [1]"));
}

TEST_F(DamagedIntegerFolder, UnexpectedTensors) {
  pack_gptq();
  const std::string norm = "model.norm.weight";
  EXPECT_THAT(after(norm, kNothing, kQ + ".bias"),
              HasSubstr("is a bias that config.json does not declare"));
  EXPECT_THAT(after(norm, kNothing, kQ + ".weight"), HasSubstr("is no tensor of the packed layer"));
  EXPECT_THAT(after(norm, kNothing, kQ + ".lora.a"), HasSubstr(".lora.a' is no tensor of"));
  EXPECT_THAT(after(norm, kNothing, "model.layers.2.mlp.up_proj.qweight"),
              HasSubstr("belongs to no linear layer of the blocks"));
  EXPECT_THAT(after(norm, kNothing, "lm_head.qweight"), HasSubstr("belongs to no linear layer"));
}

TEST_F(DamagedIntegerFolder, ConfigAndTensorsMustAgreeOnWhatIsPacked) {
  pack(kCompressed, [](const std::string& name, RandomIntegers&) { return name != kDown; });
  const std::string config = read_text_file(packed() / "config.json");
  const auto with_config = [&](const std::string& from, const std::string& to) {
    after("", kNothing);
    std::string json = config;
    json.replace(json.find(from), from.size(), to);
    write_file_atomically(damaged() / "config.json", json);
    return message();
  };
  EXPECT_THAT(with_config(kDown, kQ),
              HasSubstr("is packed (config.json says that it is left alone)"));
  EXPECT_THAT(with_config(kDown, "other"), HasSubstr(kDown + ".weight_packed' is missing"));
  EXPECT_EQ(with_config(kDown, "re:.*down_proj"), "");
}

TEST_F(DamagedIntegerFolder, ContentsThatMakeNoSense) {
  pack_gptq();
  EXPECT_THAT(with_value<std::int32_t>(".g_idx", 40, 0),
              HasSubstr("element 40 is 0, not 1 (without activation order"));
  EXPECT_THAT(with_value<std::int32_t>(".g_idx", 0, -1), HasSubstr("element 0 is -1, not 0"));
  EXPECT_THAT(with_value<std::int32_t>(".g_idx", 63, 1 << 30), HasSubstr("element 63 is"));
  EXPECT_THAT(with_value(".scales", 65, f16_from_float(0)),
              HasSubstr(".scales': element 65 is 0 (a scale is positive)"));
  EXPECT_THAT(with_value(".scales", 65, f16_from_float(-1)), HasSubstr("element 65 is -1"));
  EXPECT_THAT(with_value(".scales", 3, f16_from_float(std::numeric_limits<float>::infinity())),
              HasSubstr("element 3 is inf (not finite)"));
  EXPECT_THAT(with_value<std::uint32_t>(".qzeros", 8, 0x77777776),
              HasSubstr("output 0, group 1 is 7 (config.json says sym, which makes it 8)"));
  pack_gptq(false);
  EXPECT_THAT(with_value<std::uint32_t>(".qzeros", 1, 0xF0),
              HasSubstr("output 9, group 0 is 16 (beyond 4 bits"));
  pack_static();
  EXPECT_THAT(with_value(".input_scale", 0, f16_from_float(0)),
              HasSubstr(".input_scale' is 0 (a scale is positive)"));
}

TEST_F(DamagedIntegerFolder, PaddingBits) {
  test::write_tiny_model(model());
  pack(kCompressed, RandomIntegers{.bits = 3});  // a row is 120 bits: 24 of the fourth word
  EXPECT_EQ(with_value<std::uint32_t>(".weight_packed", 3, 0xFFFFFF), "");
  EXPECT_THAT(with_value<std::uint32_t>(".weight_packed", 3, 0x1000000),
              HasSubstr("word 3 has bits set after the last number of its stream"));
}

TEST_F(DamagedIntegerFolder, HostileConfigJson) {
  pack_gptq();
  const std::string good = read_text_file(packed() / "config.json");
  after("", kNothing);
  const auto with_config = [&](const std::string& json) {
    write_file_atomically(damaged() / "config.json", json);
    return message();
  };
  EXPECT_EQ(with_config(good), "");
  EXPECT_NE(with_config(""), "");
  EXPECT_NE(with_config("{}"), "");
  EXPECT_NE(with_config("[]"), "");
  EXPECT_NE(with_config(good.substr(0, good.size() / 2)), "");
  for (const char* other : {"null", "\"4\"", "-1", "1e300", "[]", "true", "3", "5"}) {
    std::string json = good;
    const std::string key = "\"bits\": ";
    const std::size_t begin = json.find(key) + key.size();
    json.replace(begin, json.find(',', begin) - begin, other);
    EXPECT_NE(with_config(json), "") << other;
  }
}

}  // namespace
}  // namespace tessera::format
