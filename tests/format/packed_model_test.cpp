#include "format/packed_model.hpp"

#include <algorithm>
#include <limits>

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
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
    return {.config = config_,
            .original = original,
            .layers = vptq_tensors(sizes_, load),
            .changed = changed_,
            .stored_type = StoredType::float16,
            .store_tied_head = store_tied_head};
  }

  test::TemporaryFolder folder_;
  model::ModelConfig config_;
  test::RandomLayer wanted_{.out_features = 40, .in_features = 40};
  LayerSizes sizes_;
  std::map<std::string, ChangedTensor> changed_;
};

/// A changed tensor of one value.
ChangedTensor constant(std::vector<std::size_t> shape, float value) {
  return {std::move(shape), [value](std::span<float> out) { std::ranges::fill(out, value); }};
}

std::vector<float> values_of(const model::TensorToWrite& tensor) {
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.fill(bytes);
  std::vector<float> values(tensor.info.count());
  convert_to_float(tensor.info.dtype, bytes.data(), values);
  return values;
}

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

TEST_F(PackedModelTest, RefusesALayerTheOriginalHasNot) {
  open();
  const model::SafetensorsFolder original(folder_ / "model");
  PackedModel other = packed(original);
  other.layers["model.layers.1.mlp.up_proj"] = {};
  try {
    packed_model_tensors(other);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.layers.1.mlp.up_proj.weight"));
  }
}

TEST_F(PackedModelTest, ChangedTensorsTakeTheOriginalsPlace) {
  open();
  const std::string k = "model.layers.0.self_attn.k_proj", norm = "model.norm.weight";
  changed_[norm] = constant({40}, 0.1f);
  changed_[k + ".weight"] = constant({8, 40}, 2);
  changed_[k + ".bias"] = constant({8}, 3);  // new
  changed_[kQ + ".bias"] = constant({40}, 4);
  changed_["model.extra"] = constant({1}, 5);
  changed_[std::string("model.embed_tokens.weight")] = constant({33, 40}, 6);
  const model::SafetensorsFolder original(folder_ / "model");
  const auto tensors = packed_model_tensors(packed(original, true));
  const auto names = names_of(tensors);
  const auto at = [&](const std::string& name) -> std::size_t {
    EXPECT_EQ(std::ranges::count(names, name), 1) << name;
    return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  };
  EXPECT_EQ(values_of(tensors[at(norm)]),
            std::vector<float>(40, rounded_to(StoredType::float16, 0.1f)));
  EXPECT_EQ(tensors[at(norm)].info.dtype, DType::f16);
  EXPECT_EQ(values_of(tensors[at(k + ".weight")]).front(), 2);
  EXPECT_EQ(at(k + ".bias"), at(k + ".weight") + 1);
  EXPECT_EQ(names[at(kQ + ".bias") - 1], kQ + ".weight_bias");
  EXPECT_EQ(at("model.extra"), names.size() - 2);
  EXPECT_EQ(values_of(tensors[at("lm_head.weight")]).front(), 6);  // tied: the changed embeddings
}

TEST_F(PackedModelTest, ALayersOwnBiasReplacesTheOriginals) {
  open("\"attention_bias\": true,");
  const model::SafetensorsFolder original(folder_ / "model");
  PackedModel with_bias = packed(original);
  const auto before = packed_size(with_bias, packed_model_tensors(with_bias));
  with_bias.layers.at(kQ).push_back({kQ + ".bias", {DType::f16, {40}}, {}});
  const auto tensors = packed_model_tensors(with_bias);
  EXPECT_THAT(names_of(tensors), testing::Contains(kQ + ".bias").Times(1));
  const auto after = packed_size(with_bias, tensors);
  EXPECT_EQ(after.packed_bits, before.packed_bits);  // a bias is no packed weight
  EXPECT_EQ(after.other_bits, before.other_bits);
  with_bias.changed[kQ + ".bias"] = constant({40}, 1);
  EXPECT_THROW(packed_model_tensors(with_bias), Bug);
}

TEST_F(PackedModelTest, ChangesThatMakeNoSenseAreBugs) {
  open();
  const model::SafetensorsFolder original(folder_ / "model");
  for (const auto& [name, shape] : std::map<std::string, std::vector<std::size_t>>{
           {kQ + ".weight", {40, 40}}, {"lm_head.weight", {33, 40}}, {"model.norm.weight", {41}}}) {
    changed_ = {{name, constant(shape, 1)}};
    EXPECT_THROW(packed_model_tensors(packed(original)), Bug) << name;
  }
}

TEST_F(PackedModelTest, ChangedNumbersAreChecked) {
  open();
  sizes_.clear();
  const model::SafetensorsFolder original(folder_ / "model");
  const auto message_for = [&](float value) -> std::string {
    changed_["model.norm.weight"] = constant({40}, value);
    try {
      for (const auto& tensor : packed_model_tensors(packed(original))) {
        if (tensor.name == "model.norm.weight") values_of(tensor);
      }
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message_for(65519), "");
  EXPECT_THAT(message_for(70000), HasSubstr("model.norm.weight: element 0 is 70000 (beyond"));
  EXPECT_THAT(message_for(std::numeric_limits<float>::infinity()),
              HasSubstr("element 0 is inf (a model's weights are finite). It was computed"));
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
  const model::SafetensorsFolder original(folder_ / "model");
  const PackedModel packed{config_, original, vptq_tensors(sizes, {}), {}};
  const PackedSize size = packed_size(packed, tensors);
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
