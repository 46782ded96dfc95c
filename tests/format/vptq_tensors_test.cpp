#include "format/vptq_tensors.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "tests/format/random_vptq_layer.hpp"

namespace tessera::format {
namespace {

using solver::VptqLayer;
using test::RandomLayer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::byte> bytes_of(const model::TensorToWrite& tensor) {
  std::vector<std::byte> bytes(tensor.info.count() * size_of(tensor.info.dtype));
  tensor.fill(bytes);
  return bytes;
}

std::vector<std::string> described(const std::vector<model::TensorToWrite>& tensors) {
  std::vector<std::string> lines;
  for (const auto& tensor : tensors) lines.push_back(tensor.name + " " + tensor.info.to_text());
  return lines;
}

std::vector<model::TensorToWrite> tensors_of(const RandomLayer& wanted,
                                             Permutation permutation = Permutation::absorbed) {
  return vptq_tensors(
      "a.q_proj", test::random_sizes("a.q_proj", wanted),
      [wanted](const std::string& name) { return test::random_vptq_layer(name, wanted); },
      permutation);
}

TEST(VptqTensors, NamesTypesAndShapesOfThePlainProfile) {
  EXPECT_THAT(
      described(tensors_of(
          {.out_features = 50, .in_features = 40, .vector_len = 6, .num_centroids = 4096})),
      ElementsAre("a.q_proj.centroids.weight F16 [1, 24576]", "a.q_proj.indices I32 [1, 9, 15]",
                  "a.q_proj.weight_scale F16 [40]", "a.q_proj.weight_bias F16 [40]"));
}

TEST(VptqTensors, NamesTypesAndShapesOfEverythingAtOnce) {
  const RandomLayer wanted{.out_features = 50,
                           .in_features = 43,
                           .vector_len = 8,
                           .num_centroids = 64,
                           .num_res_centroids = 8,
                           .num_groups = 5,
                           .outlier_size = 3,
                           .outlier_vector_len = 4,
                           .num_outlier_centroids = 32,
                           .stored_type = StoredType::bfloat16,
                           .has_perm = true};
  EXPECT_THAT(
      described(tensors_of(wanted)),
      ElementsAre("a.q_proj.centroids.weight BF16 [5, 512]", "a.q_proj.indices I32 [5, 7, 3]",
                  "a.q_proj.res_centroids.weight BF16 [5, 64]",
                  "a.q_proj.outlier_centroids.weight BF16 [1, 128]",
                  "a.q_proj.outlier_indices I16 [1, 13, 3]", "a.q_proj.perm I16 [43]",
                  "a.q_proj.weight_scale BF16 [43]", "a.q_proj.weight_bias BF16 [43]"));
}

TEST(VptqTensors, PermutationIsWrittenOnlyWhenKept) {
  const RandomLayer wanted{.out_features = 8, .in_features = 24, .has_perm = true};
  EXPECT_EQ(tensors_of(wanted).size(), 4u);
  const auto kept = tensors_of(wanted, Permutation::kept);
  ASSERT_EQ(kept.size(), 5u);
  EXPECT_EQ(kept[2].name, "a.q_proj.perm");
  EXPECT_NE(bytes_of(tensors_of(wanted)[1]),
            bytes_of(kept[1]));  // the columns of the indices moved
}

TEST(VptqTensors, BitsCountedAreBytesWritten) {
  const RandomLayer plain{.out_features = 50, .in_features = 40, .has_norm = false};
  const RandomLayer full{.out_features = 50,
                         .in_features = 43,
                         .vector_len = 6,
                         .num_centroids = 64,
                         .num_res_centroids = 8,
                         .num_groups = 2,
                         .outlier_size = 3,
                         .has_perm = true};
  for (const RandomLayer& wanted : {plain, full}) {
    std::size_t bytes = 0;
    for (const auto& tensor : tensors_of(wanted)) bytes += bytes_of(tensor).size();
    EXPECT_EQ(8 * bytes, stored_bits(test::random_sizes("a.q_proj", wanted)).total());
  }
}

// GPU kernels demand norm tensors: the identity is written where there is none.
TEST(VptqTensors, IdentityNormIsWrittenOut) {
  const auto tensors = tensors_of({.out_features = 8, .in_features = 17, .has_norm = false});
  std::vector<float> scale(17), bias(17, 5);
  convert_to_float(DType::f16, bytes_of(tensors[2]).data(), scale);
  convert_to_float(DType::f16, bytes_of(tensors[3]).data(), bias);
  EXPECT_THAT(scale, testing::Each(1.0f));
  EXPECT_THAT(bias, testing::Each(0.0f));
}

TEST(VptqTensors, EachLayerIsLoadedOnceWhenFilledInOrder) {
  const RandomLayer wanted{.out_features = 8, .in_features = 24, .num_res_centroids = 4};
  LayerSizes sizes;
  for (const char* name : {"a", "b", "c"}) sizes.emplace(name, test::random_sizes(name, wanted));
  std::vector<std::string> loaded;
  const auto tensors = vptq_tensors(sizes, [&](const std::string& name) {
    loaded.push_back(name);
    return test::random_vptq_layer(name, wanted);
  });
  EXPECT_TRUE(loaded.empty());
  for (const auto& [name, list] : tensors) {
    for (const auto& tensor : list) bytes_of(tensor);
  }
  EXPECT_THAT(loaded, ElementsAre("a", "b", "c"));
  const auto before = bytes_of(tensors.at("a")[1]);  // any order is right, only slower
  bytes_of(tensors.at("b")[1]);
  EXPECT_EQ(bytes_of(tensors.at("a")[1]), before);
}

TEST(VptqTensors, RefusesWhatTheFormatCannotHold) {
  try {
    tensors_of({.out_features = 8, .in_features = 24, .num_centroids = 4, .num_res_centroids = 8});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.q_proj: num_res_centroids is 8, above num_centroids 4"));
  }
}

TEST(VptqTensors, RefusesLayersThatAreNotWhatWasAnnounced) {
  const RandomLayer wanted{.out_features = 8, .in_features = 24};
  const auto tensors = [&](auto change) {
    return vptq_tensors("l", test::random_sizes("l", wanted),
                        [&wanted, change](const std::string& name) {
                          VptqLayer layer = test::random_vptq_layer(name, wanted);
                          change(layer);
                          return layer;
                        });
  };
  EXPECT_THROW(bytes_of(tensors([](VptqLayer& l) { l.vector_len = 4; })[0]), Bug);
  EXPECT_THROW(bytes_of(tensors([](VptqLayer& l) { l.scale[3] = std::nanf(""); })[0]), Bug);
  EXPECT_THROW(bytes_of(tensors([](VptqLayer& l) {
                 l.centroids(1, 1) = std::numeric_limits<float>::infinity();
               })[0]),
               Bug);
}

}  // namespace
}  // namespace tessera::format
