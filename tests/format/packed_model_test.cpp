#include "format/packed_model.hpp"

#include <algorithm>
#include <limits>

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "model/architecture.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kQ = "model.layers.0.self_attn.q_proj";

/// A tiny model of which only q_proj is packed.
class PackedModelTest : public ::testing::Test {
 protected:
  void open(const std::string& more = "\"tie_word_embeddings\": true,") {
    test::write_tiny_model(folder_ / "model", more);
    config_ = model::read_model_config(folder_ / "model");
    sizes_.emplace(kQ, test::random_sizes(kQ, wanted_));
  }
  PackedModel packed(const model::SafetensorsFolder& original, bool store_tied_head = false) {
    const auto load = [this](const std::string& name) {
      return test::random_vptq_layer(name, wanted_);
    };
    return {config_,        original, sizes_, load, StoredType::float16, Permutation::absorbed,
            store_tied_head};
  }

  test::TemporaryFolder folder_;
  model::ModelConfig config_;
  test::RandomLayer wanted_{.out_features = 40, .in_features = 40};
  LayerSizes sizes_;
};

std::vector<std::string> names_of(const std::vector<model::TensorToWrite>& tensors) {
  std::vector<std::string> names;
  for (const auto& tensor : tensors) names.push_back(tensor.name);
  return names;
}

TEST_F(PackedModelTest, EveryOriginalTensorIsThereConvertedOrReplaced) {
  open("\"tie_word_embeddings\": true, \"attention_bias\": true,");
  const model::SafetensorsFolder original(folder_ / "model");
  const auto tensors = packed_model_tensors(packed(original));
  std::vector<std::string> wanted;
  for (const std::string& name : original.names()) {
    if (name != kQ + ".weight") wanted.push_back(name);  // its bias stays
  }
  for (const char* part : {".centroids.weight", ".indices", ".weight_scale", ".weight_bias"})
    wanted.push_back(kQ + part);
  EXPECT_THAT(names_of(tensors), testing::UnorderedElementsAreArray(wanted));
  for (const auto& tensor : tensors) {
    if (tensor.name.ends_with(".indices")) continue;
    EXPECT_EQ(tensor.info.dtype, DType::f16) << tensor.name;
  }
}

TEST_F(PackedModelTest, ConvertsEveryElementOfATensorLongerThanAPiece) {
  open();
  test::TemporaryFolder other;
  const std::size_t rows = 4097;
  std::vector<float> values(rows * 2);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 3;
  const auto fill = [&](std::span<std::byte> out) {
    convert_from_float(DType::f32, values, out.data());
  };
  model::write_safetensors(other.path(), {{"x", {DType::f32, {rows, 2}}, fill}}, 1 << 30);
  const model::SafetensorsFolder original(other.path());
  sizes_.clear();
  const auto tensors = packed_model_tensors(packed(original));
  ASSERT_EQ(names_of(tensors), std::vector<std::string>{"x"});
  std::vector<std::byte> bytes(2 * values.size());
  tensors[0].fill(bytes);
  std::vector<float> converted(values.size());
  convert_to_float(DType::f16, bytes.data(), converted);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(converted[i], rounded_to(StoredType::float16, values[i])) << i;
  }
}

TEST_F(PackedModelTest, NumbersBeyondTheStoredTypeAreNamed) {
  open();
  test::TemporaryFolder other;
  const auto write = [&](float value) {
    const auto fill = [value](std::span<std::byte> out) {
      convert_from_float(DType::f32, std::vector<float>{1, 65504, value}, out.data());
    };
    model::write_safetensors(other.path(), {{"model.norm.weight", {DType::f32, {3}}, fill}},
                             1 << 30);
  };
  sizes_.clear();
  const auto message_for = [&](float value) -> std::string {
    write(value);
    const model::SafetensorsFolder original(other.path());
    std::vector<std::byte> bytes(6);
    try {
      packed_model_tensors(packed(original))[0].fill(bytes);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message_for(65519), "");  // still rounds down
  EXPECT_THAT(message_for(-65520),
              HasSubstr("model.norm.weight: element 2 is -65520 (beyond the largest number"));
  EXPECT_THAT(message_for(std::numeric_limits<float>::quiet_NaN()),
              HasSubstr("element 2 is nan (a model's weights are finite)"));
}

// Trap 17: one copy of tied embeddings, unless two are asked for.
TEST_F(PackedModelTest, Trap17TiedHeadIsWrittenOnceUnlessAskedFor) {
  open();
  const model::SafetensorsFolder original(folder_ / "model");
  const std::string head(model::kHeadName);
  EXPECT_THAT(names_of(packed_model_tensors(packed(original))),
              testing::Not(testing::Contains(head)));
  const auto both = packed_model_tensors(packed(original, true));
  ASSERT_EQ(both.back().name, head);
  const auto embeddings =
      std::ranges::find(both, model::embedding_name(config_), &model::TensorToWrite::name);
  ASSERT_NE(embeddings, both.end());
  std::vector<std::byte> one(33 * 40 * 2), two(33 * 40 * 2);
  embeddings->fill(one);
  both.back().fill(two);
  EXPECT_EQ(one, two);
}

TEST_F(PackedModelTest, UntiedHeadStays) {
  open("\"tie_word_embeddings\": false,");
  const model::SafetensorsFolder original(folder_ / "model");
  EXPECT_THAT(names_of(packed_model_tensors(packed(original, true))),
              testing::Contains(std::string(model::kHeadName)).Times(1));
}

TEST_F(PackedModelTest, RefusesALayerOfAnotherShape) {
  wanted_.in_features = 41;
  open();
  const model::SafetensorsFolder original(folder_ / "model");
  try {
    packed_model_tensors(packed(original));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(kQ + " is packed as [40, 41]"));
    EXPECT_THAT(error.what(), HasSubstr("F32 [40, 40]"));
  }
}

TEST_F(PackedModelTest, SizeIsWhatTheFilesHold) {
  open();
  test::pack_tiny_model(
      folder_ / "model", folder_ / "packed",
      [](const std::string&, test::RandomLayer& l) { l.vector_len = 6, l.num_res_centroids = 16; });
  LayerSizes sizes;
  std::uint64_t packed_bits = 0;
  const VptqFolder folder(folder_ / "packed");
  for (const std::string& name : folder.packed_layers()) {
    packed_bits += stored_bits(folder.packed_layer(name)).total();
    sizes.emplace(name, sizes_of(folder.packed_layer(name)));
  }
  const model::SafetensorsFolder files(folder_ / "packed");
  std::vector<model::TensorToWrite> tensors;
  std::uint64_t file_bytes = 0;
  for (const std::string& name : files.names()) {
    tensors.push_back({name, files.info(name), {}});
    file_bytes += files.bytes(name).size();
  }
  const PackedSize size = packed_size(sizes, tensors);
  EXPECT_EQ(size.packed_bits, packed_bits);
  EXPECT_EQ(size.total_bytes(), file_bytes);
  EXPECT_EQ(size.num_packed_weights, 2u * 40 * 40 + 2 * 8 * 40 + 3 * 40 * 52);
  EXPECT_EQ(size.num_other_weights, 33u * 40 + 3 * 40);
  EXPECT_DOUBLE_EQ(size.bits_per_weight(), static_cast<double>(packed_bits) / (3840 + 6240));
  // The rest of the file is its header.
  const auto on_disk = fs::file_size(folder_ / "packed" / "model.safetensors");
  EXPECT_GT(on_disk, file_bytes);
  EXPECT_LT(on_disk, file_bytes + 200 * tensors.size());
}

TEST(PackedSize, OfNothingIsZero) {
  EXPECT_EQ(PackedSize().bits_per_weight(), 0);
  EXPECT_EQ(PackedSize().bits_per_weight_overall(), 0);
}

}  // namespace
}  // namespace tessera::format
