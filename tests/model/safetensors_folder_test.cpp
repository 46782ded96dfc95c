#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "model/architecture.hpp"
#include "model/check_tensors.hpp"
#include "model/model_config.hpp"
#include "model/safetensors_file.hpp"
#include "tests/model/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_data.hpp"

namespace tessera::model {
namespace {

using test::input_error_of;
using test::safetensors_bytes;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Shard x.safetensors holds 'a', shard y.safetensors 'b' and 'c'; tests spoil one thing each.
class Shards : public testing::Test {
 protected:
  Shards() {
    write("x.safetensors",
          safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a"));
    write("y.safetensors",
          safetensors_bytes(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                            R"("c":{"dtype":"F32","shape":[0],"data_offsets":[1,1]}})",
                            "b"));
    write_index(R"("a":"x.safetensors","b":"y.safetensors","c":"y.safetensors")");
  }
  void write(const std::string& name, const std::string& content) {
    write_file_atomically(folder_ / name, content);
  }
  void write_index(const std::string& entries) {
    write("model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":{" + entries + "}}");
  }
  std::string refusal() {
    return input_error_of([&] { SafetensorsFolder(folder_.path()); });
  }
  test::TemporaryFolder folder_;
};

TEST_F(Shards, AreReadAsOne) {
  const SafetensorsFolder folder(folder_.path());
  EXPECT_THAT(folder.names(), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(folder.contains("b"));
  EXPECT_FALSE(folder.contains("d"));
  EXPECT_EQ(folder.bytes("b")[0], std::byte{'b'});
  EXPECT_EQ(folder.info("c").to_text(), "F32 [0]");
  EXPECT_THAT(input_error_of([&] { folder.info("d"); }),
              AllOf(HasSubstr(folder_.path().string()), HasSubstr("no tensor 'd'")));
}

TEST_F(Shards, AMissingShard) {
  std::filesystem::remove(folder_ / "y.safetensors");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("index.json"), HasSubstr("tensor 'b'"),
                               HasSubstr("'y.safetensors', which is not there")));
}

TEST_F(Shards, AShardThatLacksATensor) {
  write_index(R"("a":"y.safetensors","b":"y.safetensors","c":"y.safetensors")");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("tensor 'a'"), HasSubstr("does not hold it")));
}

TEST_F(Shards, ATensorTheIndexDoesNotList) {
  write_index(R"("a":"x.safetensors","b":"y.safetensors")");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("y.safetensors"), HasSubstr("tensor 'c' is not one")));
}

TEST_F(Shards, ATensorInTwoShards) {
  write("x.safetensors",
        safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                          R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                          "ab"));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("x.safetensors"), HasSubstr("tensor 'b' is not one")));
}

TEST_F(Shards, ADamagedShard) {
  write("y.safetensors", "short");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("y.safetensors"), HasSubstr("5 bytes long")));
}

TEST_F(Shards, AnIndexThatNamesAPath) {
  write_index(R"("a":"../x.safetensors")");
  EXPECT_THAT(refusal(), HasSubstr("without path parts"));
}

TEST(SafetensorsFolder, WithoutWeightsSaysWhatIsThere) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(input_error_of([&] { SafetensorsFolder(folder / "absent"); }),
              HasSubstr("not a folder"));
  EXPECT_THAT(input_error_of([&] { SafetensorsFolder(folder.path()); }),
              HasSubstr("neither model.safetensors nor model.safetensors.index.json"));
  write_file_atomically(folder / "pytorch_model.bin", "x");
  EXPECT_THAT(input_error_of([&] { SafetensorsFolder(folder.path()); }),
              AllOf(HasSubstr("'pytorch_model.bin'"), HasSubstr("Convert")));
}

class RealModel : public testing::TestWithParam<const char*> {};

TEST_P(RealModel, IsCompleteAndReadable) {
  const std::string name = std::string("models/") + GetParam();
  const auto path = test::test_data(name);
  if (!path) GTEST_SKIP() << test::missing_data(name);
  const ModelConfig config = read_model_config(*path);
  const SafetensorsFolder folder(*path);
  EXPECT_THAT(tensor_problems(folder, config), IsEmpty());
  EXPECT_EQ(folder.names().size(), expected_tensors(config).size());
  double sum = 0;
  for (const LinearLayer& layer : linear_layers(config, config.num_blocks - 1)) {
    const auto weight =
        folder.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features);
    for (const float value : weight.span()) sum += std::abs(value);
  }
  EXPECT_GT(sum, 0);
  const auto norm = folder.read_vector(final_norm(config).weight, config.hidden_size);
  EXPECT_EQ(norm.size(), config.hidden_size);
}

INSTANTIATE_TEST_SUITE_P(All, RealModel,
                         testing::Values("stories260K", "llama2xs", "babyllama-tok105",
                                         "babyllama-tok361"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace tessera::model
