#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/integer_folder.hpp"
#include "model/safetensors_file.hpp"
#include "tests/format/integer_folder_fixture.hpp"

// Folders of integers that something went wrong with after they were written.
namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using test::RandomIntegers;
using ::testing::HasSubstr;

constexpr auto kGptq = IntegerFormat::gptq;
constexpr auto kCompressed = IntegerFormat::compressed_tensors;

const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kDown = "model.layers.1.mlp.down_proj";

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
