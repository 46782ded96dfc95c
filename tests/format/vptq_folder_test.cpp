#include "format/vptq_folder.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using solver::VptqLayer;
using test::RandomLayer;
using ::testing::HasSubstr;

const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kEmbeddings = "model.embed_tokens.weight";

/// Checks every element of every packed layer against the formula, on the layer that the writer was
/// given.
void expect_same_weights(const VptqFolder& folder, const std::map<std::string, VptqLayer>& layers) {
  ASSERT_EQ(folder.packed_layers().size(), layers.size());
  for (const auto& [name, layer] : layers) {
    const Matrix<float> weight =
        folder.read_matrix(name + ".weight", layer.out_features, layer.in_features);
    for (std::size_t n = 0; n < weight.rows(); ++n) {
      for (std::size_t k = 0; k < weight.cols(); ++k) {
        ASSERT_EQ(weight(n, k), test::dequantized_element(layer, n, k))
            << name << " " << n << ", " << k;
      }
    }
  }
}

class VptqFolderTest : public ::testing::Test {
 protected:
  VptqFolderTest() {
    test::write_tiny_model(model(), "\"tie_word_embeddings\": true, \"attention_bias\": true,");
  }
  fs::path model() const { return folder_ / "model"; }
  fs::path packed() const { return folder_ / "packed"; }

  auto pack(
      const test::LayerWishes& wishes = [](const std::string&, RandomLayer&) {},
      Permutation permutation = Permutation::absorbed, std::size_t max_shard_bytes = 1 << 30) {
    return test::pack_tiny_model(model(), packed(), wishes, permutation, max_shard_bytes);
  }

  test::TemporaryFolder folder_;
};

TEST_F(VptqFolderTest, ReadsWhatTheWriterWroteForEveryKindOfLayer) {
  const test::LayerWishes kinds[] = {
      [](const std::string&, RandomLayer&) {},
      [](const std::string&, RandomLayer& l) {
        l.vector_len = 7, l.num_res_centroids = 256, l.has_norm = false;
      },
      [](const std::string&, RandomLayer& l) {
        l.vector_len = 12, l.num_centroids = 4096, l.num_res_centroids = 2;
      },
      [](const std::string&, RandomLayer& l) { l.num_groups = 2, l.has_perm = true; },
      [](const std::string&, RandomLayer& l) {
        l.vector_len = 16, l.num_groups = 3, l.outlier_size = 2, l.num_res_centroids = 16,
        l.has_perm = true;
      }};
  for (const auto& kind : kinds) {
    for (const StoredType type : {StoredType::float16, StoredType::bfloat16, StoredType::float32}) {
      const auto layers = pack([&](const std::string& name, RandomLayer& l) {
        kind(name, l);
        l.stored_type = type;
      });
      expect_same_weights(VptqFolder(packed()), layers);
    }
  }
}

TEST_F(VptqFolderTest, AbsorbedAndKeptPermutationsAreTheSameModel) {
  const test::LayerWishes permuted = [](const std::string&, RandomLayer& l) { l.has_perm = true; };
  const auto layers = pack(permuted);
  EXPECT_TRUE(VptqFolder(packed()).packed_layer(kQ).perm.empty());
  expect_same_weights(VptqFolder(packed()), layers);
  pack(permuted, Permutation::kept);
  EXPECT_EQ(VptqFolder(packed()).packed_layer(kQ).perm.size(), 40u);
  expect_same_weights(VptqFolder(packed()), layers);
}

TEST_F(VptqFolderTest, LayersMayDifferAndLieInSeveralShards) {
  const auto layers = pack(
      [](const std::string& name, RandomLayer& l) {
        if (name == kQ) l.vector_len = 6, l.num_res_centroids = 64;
      },
      Permutation::absorbed, 4000);
  EXPECT_FALSE(fs::exists(packed() / "model.safetensors"));
  expect_same_weights(VptqFolder(packed()), layers);
}

TEST_F(VptqFolderTest, TensorsGoByTheirPlainNames) {
  pack();
  const VptqFolder folder(packed());
  EXPECT_TRUE(folder.contains(kQ + ".weight"));
  EXPECT_TRUE(folder.contains(kQ + ".bias"));
  EXPECT_TRUE(folder.contains(kEmbeddings));
  EXPECT_FALSE(folder.contains(kQ + ".indices"));
  EXPECT_FALSE(folder.contains(kQ + ".weight_scale"));
  EXPECT_FALSE(folder.contains("lm_head.weight"));
  EXPECT_EQ(folder.info(kQ + ".weight").to_text(), "F32 [40, 40]");
  EXPECT_EQ(folder.info(kEmbeddings).to_text(), "F16 [33, 40]");
  EXPECT_THROW(folder.info("lm_head.weight"), InputError);
  EXPECT_THROW(folder.packed_layer("lm_head"), InputError);
}

TEST_F(VptqFolderTest, OtherTensorsAreTheOriginalsInTheStoredType) {
  pack();
  const model::SafetensorsFolder original(model());
  const VptqFolder folder(packed());
  for (const std::string& name : {kEmbeddings, kQ + ".bias", std::string("model.norm.weight")}) {
    std::vector<float> before(original.info(name).count()), after(before.size());
    original.read(name, before);
    folder.read(name, after);
    for (std::size_t i = 0; i < before.size(); ++i) {
      ASSERT_EQ(after[i], rounded_to(StoredType::float16, before[i])) << name << " " << i;
    }
  }
}

/// Of a packed layer, which is unpacked for them, and of a tensor as it is.
TEST_F(VptqFolderTest, RowsAreThoseOfTheWhole) {
  pack();
  const VptqFolder folder(packed());
  for (const auto& [name, rows] : {std::pair{kQ + ".weight", 40}, std::pair{kEmbeddings, 33}}) {
    const Matrix<float> whole = folder.read_matrix(name, static_cast<std::size_t>(rows), 40);
    const Matrix<float> some = folder.read_matrix_rows(name, whole.rows(), 40, {7, 10});
    EXPECT_TRUE(std::ranges::equal(some.span(), whole.span().subspan(7 * 40, 3 * 40))) << name;
  }
}

TEST_F(VptqFolderTest, OpensNothingElse) {
  pack();
  EXPECT_THROW(VptqFolder{model()}, InputError);
  write_file_atomically(packed() / "config.json",
                        R"({"quantization_config": {"quant_method": "awq"}})");
  EXPECT_THROW(VptqFolder{packed()}, InputError);
}

/// A packed folder with one tensor changed after the writer was done.
class DamagedVptqFolder : public VptqFolderTest {
 protected:
  using Change = std::function<void(model::TensorInfo& info, std::vector<std::byte>& bytes)>;

  DamagedVptqFolder() {
    pack([](const std::string&, RandomLayer& l) {
      l.vector_len = 6, l.num_centroids = 32, l.outlier_size = 3, l.num_outlier_centroids = 10,
      l.has_perm = true;
    });
  }

  /// Rewrites the file with @p name changed, renamed (by @p renamed) or left out (no change given).
  void rewrite(const std::string& name, const Change& change, const std::string& renamed = "") {
    const model::SafetensorsFolder files(packed());
    std::vector<model::TensorToWrite> tensors;
    for (const std::string& each : files.names()) {
      model::TensorInfo info = files.info(each);
      const auto stored = files.bytes(each);
      std::vector<std::byte> bytes(stored.begin(), stored.end());
      if (each == name && change == nullptr) continue;
      if (each == name) change(info, bytes);
      tensors.push_back(
          {each == name && !renamed.empty() ? renamed : each, info,
           [bytes](std::span<std::byte> out) { std::ranges::copy(bytes, out.data()); }});
    }
    fs::create_directories(folder_ / "damaged");
    model::write_safetensors(folder_ / "damaged", tensors, 1 << 30);
    fs::copy_file(packed() / "config.json", folder_ / "damaged" / "config.json",
                  fs::copy_options::overwrite_existing);
  }
  std::string message() const {
    try {
      const VptqFolder folder(folder_ / "damaged");
      std::vector<float> weight(40 * 40);
      folder.read(kQ + ".weight", weight);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(DamagedVptqFolder, MissingTensors) {
  for (const char* part : {".centroids.weight", ".indices", ".outlier_centroids.weight",
                           ".outlier_indices", ".perm", ".weight_scale", ".weight_bias", ".bias"}) {
    rewrite(kQ + part, nullptr);
    EXPECT_THAT(message(), HasSubstr(kQ + part));
  }
}

TEST_F(DamagedVptqFolder, WrongTypesAndShapes) {
  const auto retyped = [&](const char* part, DType type) {
    rewrite(kQ + part, [type](model::TensorInfo& info, std::vector<std::byte>& bytes) {
      info.dtype = type;
      bytes.resize(info.count() * size_of(type));
    });
    return message();
  };
  EXPECT_THAT(retyped(".indices", DType::i64),
              HasSubstr("I64 [1, 7, 6] (its layer object in config.json makes it I32"));
  EXPECT_THAT(retyped(".centroids.weight", DType::i16),
              HasSubstr("is I16 (a codebook or scale is F16, BF16 or F32)"));
  EXPECT_THAT(retyped(".weight_scale", DType::f32),
              HasSubstr("F32 [40] (its layer object in config.json makes it F16"));
  EXPECT_THAT(retyped(".perm", DType::i32), HasSubstr("makes it I16 [40]"));
  const auto reshaped = [&](const char* part, std::vector<std::size_t> shape) {
    rewrite(kQ + part, [shape](model::TensorInfo& info, std::vector<std::byte>& bytes) {
      info.shape = shape;
      bytes.resize(info.count() * size_of(info.dtype));
    });
    return message();
  };
  EXPECT_THAT(reshaped(".indices", {1, 7, 5}), HasSubstr("makes it I32 [1, 7, 6]"));
  EXPECT_THAT(reshaped(".indices", {7, 6}), HasSubstr("makes it I32 [1, 7, 6]"));
  EXPECT_THAT(reshaped(".centroids.weight", {32, 6}), HasSubstr("makes it F16 [1, 192]"));
  EXPECT_THAT(reshaped(".perm", {39}), HasSubstr("I16 [39]"));
}

TEST_F(DamagedVptqFolder, UnexpectedTensors) {
  const auto nothing = [](model::TensorInfo&, std::vector<std::byte>&) {};
  rewrite("model.norm.weight", nothing, kQ + ".res_indices");
  EXPECT_THAT(message(), HasSubstr(".res_indices"));
  rewrite("model.norm.weight", nothing, kQ + ".weight");
  EXPECT_THAT(message(), HasSubstr("has no place for it"));
  rewrite("model.norm.weight", nothing, "model.layers.7.mlp.up_proj.indices");
  EXPECT_THAT(message(), HasSubstr("has no layer object in"));
}

TEST_F(DamagedVptqFolder, ContentsThatPointNowhere) {
  const auto with_number = [&](const char* part, std::size_t position, std::uint16_t number) {
    rewrite(kQ + part, [=](model::TensorInfo&, std::vector<std::byte>& bytes) {
      bytes[2 * position] = static_cast<std::byte>(number & 255);
      bytes[2 * position + 1] = static_cast<std::byte>(number >> 8);
    });
    return message();
  };
  EXPECT_THAT(with_number(".outlier_indices", 5, 10),
              HasSubstr("element 5 is 10 (there are 10 outlier centroids)"));
  EXPECT_EQ(with_number(".outlier_indices", 5, 9), "");
  EXPECT_THAT(with_number(".perm", 7, 40), HasSubstr("element 7 is 40 (none of the 40 columns)"));
  EXPECT_THAT(with_number(".perm", 7, 65535), HasSubstr("element 7 is 65535"));
  const VptqLayer layer = VptqFolder(packed()).packed_layer(kQ);
  EXPECT_THAT(with_number(".perm", 7, static_cast<std::uint16_t>(layer.perm[3])),
              HasSubstr("named twice"));
  const auto infinity = f16_from_float(std::numeric_limits<float>::infinity());
  EXPECT_THAT(with_number(".weight_scale", 39, infinity),
              HasSubstr("element 39 is inf (not finite)"));
  EXPECT_THAT(with_number(".centroids.weight", 0, 0x7E00),
              HasSubstr("element 0 is nan (not finite)"));
  // 37 columns of 5 bits end in the 25th bit of the last word.
  EXPECT_THAT(with_number(".indices", 11, 0xFE00),
              HasSubstr("row 0 of group 0 has bits set after its last index"));
}

TEST_F(DamagedVptqFolder, HostileConfigJson) {
  const auto with_config = [&](const std::string& json) {
    rewrite("", nullptr);
    write_file_atomically(folder_ / "damaged" / "config.json", json);
    return message();
  };
  const std::string good = read_text_file(packed() / "config.json");
  EXPECT_EQ(with_config(good), "");
  EXPECT_NE(with_config(""), "");
  EXPECT_NE(with_config("{"), "");
  EXPECT_NE(with_config("[]"), "");
  EXPECT_NE(with_config(good.substr(0, good.size() / 2)), "");
  EXPECT_NE(with_config(std::string(100000, '[')), "");
  for (const char* other : {"null", "\"32\"", "-1", "1e300", "[]", "true"}) {
    std::string json = good;
    const std::string key = "\"in_features\": ";
    const std::size_t begin = json.find(key) + key.size();
    json.replace(begin, json.find(',', begin) - begin, other);
    EXPECT_THAT(with_config(json), HasSubstr("in_features")) << other;
  }
}

}  // namespace
}  // namespace tessera::format
