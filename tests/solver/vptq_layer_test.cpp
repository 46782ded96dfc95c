#include "solver/vptq/vptq_layer.hpp"

#include <gmock/gmock.h>

#include "tests/format/random_vptq_layer.hpp"

namespace tessera::solver {
namespace {

using test::dequantized_element;
using test::random_vptq_layer;
using test::RandomLayer;

// One row or column, ragged last vectors, vectors longer than the layer, groups, outliers whose
// vectors are ragged too, and everything at once.
const RandomLayer kLayers[] = {
    {.out_features = 1, .in_features = 1, .vector_len = 1, .num_centroids = 2},
    {.out_features = 1, .in_features = 33, .vector_len = 16, .num_centroids = 2},
    {.out_features = 31, .in_features = 1, .vector_len = 8, .num_res_centroids = 2},
    {.out_features = 50, .in_features = 40, .vector_len = 6, .num_centroids = 4096},
    {.out_features = 49, .in_features = 40, .vector_len = 7, .has_perm = true, .has_norm = false},
    {.out_features = 48,
     .in_features = 40,
     .vector_len = 12,
     .num_res_centroids = 16,
     .has_perm = true},
    {.out_features = 48,
     .in_features = 41,
     .vector_len = 4,
     .num_res_centroids = 256,
     .num_groups = 41},
    {.out_features = 26,
     .in_features = 40,
     .vector_len = 4,
     .outlier_size = 3,
     .outlier_vector_len = 5},
    {.out_features = 23, .in_features = 40, .outlier_size = 40, .has_perm = true},
    {.out_features = 37,
     .in_features = 97,
     .vector_len = 12,
     .num_centroids = 64,
     .num_res_centroids = 64,
     .num_groups = 5,
     .outlier_size = 2,
     .stored_type = StoredType::bfloat16,
     .has_perm = true},
};

TEST(VptqLayer, DequantizesAsTheFormulaSaysToTheLastBit) {
  for (const RandomLayer& wanted : kLayers) {
    const VptqLayer layer = random_vptq_layer("layer", wanted);
    const Matrix<float> weight = dequantize(layer);
    ASSERT_EQ(weight.rows(), layer.out_features);
    ASSERT_EQ(weight.cols(), layer.in_features);
    for (std::size_t n = 0; n < weight.rows(); ++n) {
      for (std::size_t k = 0; k < weight.cols(); ++k) {
        ASSERT_EQ(weight(n, k), dequantized_element(layer, n, k))
            << n << ", " << k << " of " << layer.out_features << " x " << layer.in_features;
      }
    }
  }
}

TEST(VptqLayer, AbsorbedPermutationGivesTheSameWeights) {
  for (const std::uint64_t residual : {0, 16}) {
    VptqLayer layer = random_vptq_layer("layer", {.out_features = 22,
                                                  .in_features = 35,
                                                  .vector_len = 4,
                                                  .num_res_centroids = residual,
                                                  .has_perm = true});
    const Matrix<float> before = dequantize(layer);
    absorb_permutation(layer);
    EXPECT_TRUE(layer.perm.empty());
    const Matrix<float> after = dequantize(layer);
    for (std::size_t i = 0; i < before.size(); ++i) ASSERT_EQ(before.data()[i], after.data()[i]);
    absorb_permutation(layer);  // nothing left to do
    EXPECT_EQ(dequantize(layer)(3, 3), before(3, 3));
  }
}

TEST(VptqLayer, AbsorbsNeitherWithGroupsNorWithOutliers) {
  VptqLayer groups = random_vptq_layer(
      "l", {.out_features = 8, .in_features = 8, .num_groups = 2, .has_perm = true});
  EXPECT_THROW(absorb_permutation(groups), Bug);
  VptqLayer outliers = random_vptq_layer(
      "l", {.out_features = 8, .in_features = 8, .outlier_size = 1, .has_perm = true});
  EXPECT_THROW(absorb_permutation(outliers), Bug);
}

TEST(VptqLayer, RefusesIndicesAndPermutationsThatPointNowhere) {
  const RandomLayer wanted{
      .out_features = 8, .in_features = 8, .num_centroids = 4, .outlier_size = 2, .has_perm = true};
  VptqLayer layer = random_vptq_layer("l", wanted);
  layer.index(0, 5) = 4;
  EXPECT_THROW(dequantize(layer), Bug);
  layer = random_vptq_layer("l", wanted);
  layer.outlier_index(1, 1) = 16;
  EXPECT_THROW(dequantize(layer), Bug);
  layer = random_vptq_layer("l", wanted);
  layer.perm[0] = layer.perm[1];
  EXPECT_THROW(dequantize(layer), Bug);
  layer.perm[0] = 8;
  EXPECT_THROW(dequantize(layer), Bug);
  layer = random_vptq_layer("l", wanted);
  layer.group_size -= 1;
  EXPECT_THROW(dequantize(layer), Bug);
}

TEST(VptqLayer, CountsBitsAsOnPaper) {
  // Llama-3 8B down_proj at v8-k65536-256: 512 rows of 14336 * 24 bits, 65792 * 8 codebook entries,
  // two norms.
  VptqLayer big;
  big.out_features = 4096;
  big.in_features = big.group_size = 14336;
  big.vector_len = 8;
  big.num_centroids = 65536;
  big.num_res_centroids = 256;
  const VptqBits bits = stored_bits(big);
  EXPECT_EQ(bits.indices, 512u * 14336 * 24);
  EXPECT_EQ(bits.codebooks, 65792u * 8 * 16);
  EXPECT_EQ(bits.norms, 2u * 14336 * 16);
  EXPECT_EQ(bits.permutation, 0u);

  // Ragged everything: 5 rows of vectors, groups of 7 columns of 5 bits in 2 words, 3 outlier
  // columns in 16-bit indices.
  const VptqLayer small = random_vptq_layer("l", {.out_features = 18,
                                                  .in_features = 24,
                                                  .vector_len = 4,
                                                  .num_centroids = 8,
                                                  .num_res_centroids = 4,
                                                  .num_groups = 3,
                                                  .outlier_size = 3,
                                                  .outlier_vector_len = 7,
                                                  .stored_type = StoredType::float32,
                                                  .has_perm = true});
  EXPECT_EQ(stored_bits(small).indices, 3u * 5 * 64 + 16 * 3 * 3);
  EXPECT_EQ(stored_bits(small).codebooks, (3u * 12 * 4 + 16 * 7) * 32);
  EXPECT_EQ(stored_bits(small).norms, 2u * 24 * 32);
  EXPECT_EQ(stored_bits(small).permutation, 24u * 16);
  EXPECT_EQ(stored_bits(small).total(), 960u + 144 + 8192 + 1536 + 384);
}

}  // namespace
}  // namespace tessera::solver
