#include "format/vptq_sizes.hpp"

#include <gmock/gmock.h>

#include "tests/format/random_vptq_layer.hpp"

namespace tessera::format {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// 4096 x 4096, v 8, 65536 and 256 centroids: what the widest profile allows.
solver::VptqLayer good() {
  solver::VptqLayer l;
  l.out_features = l.in_features = l.group_size = 4096;
  l.vector_len = 8;
  l.num_centroids = 65536;
  l.num_res_centroids = 256;
  return l;
}

/// What stands in the way of loading it, else of running it on a GPU.
std::vector<std::string> problems_of(const solver::VptqLayer& sizes) {
  const std::vector<std::string> problems = format_problems(sizes);
  return problems.empty() ? gpu_problems(sizes) : problems;
}
template <class Change>
std::vector<std::string> problems_after(Change change) {
  solver::VptqLayer l = good();
  change(l);
  return problems_of(l);
}

TEST(VptqSizes, TheWidestProfileHasNoProblems) {
  EXPECT_THAT(problems_of(good()), IsEmpty());
  for (const std::uint64_t v : {2, 4, 6, 8, 10, 12, 16}) {
    EXPECT_THAT(problems_after([&](auto& l) { l.vector_len = v; }), IsEmpty());
  }
}

TEST(VptqSizes, CodebooksThatTheFormatCannotHold) {
  for (const std::uint64_t size : {0, 1, 3, 1000, 131072}) {
    solver::VptqLayer l = good();
    l.num_centroids = size;
    l.num_res_centroids = 0;
    EXPECT_THAT(format_problems(l),
                ElementsAre(HasSubstr("Choose a power of two from 2 to 65536")));
  }
  EXPECT_THAT(problems_after([](auto& l) { l.num_res_centroids = 12; }),
              testing::Contains(HasSubstr("num_res_centroids is 12")));
  EXPECT_THAT(problems_after([](auto& l) { l.num_centroids = 16; }),
              ElementsAre(HasSubstr("num_res_centroids is 256, above num_centroids 16")));
}

TEST(VptqSizes, RowsOfSixteenBitsOrFewerAreReadWronglyByThePackage) {
  solver::VptqLayer l = good();
  l.num_res_centroids = 0;
  l.num_centroids = 16;
  l.in_features = l.group_size = 4;
  EXPECT_THAT(format_problems(l), ElementsAre(HasSubstr("4 columns of 4 bits")));
  l.in_features = l.group_size = 5;
  EXPECT_THAT(format_problems(l), IsEmpty());
}

TEST(VptqSizes, ColumnsMustBeSharedOutCompletely) {
  EXPECT_THAT(problems_after([](auto& l) { l.num_groups = 3; }),
              ElementsAre(HasSubstr("are not the layer's 4096 columns")));
  EXPECT_THAT(format_problems([] {
                solver::VptqLayer l = good();
                l.in_features = l.group_size = 65537;
                l.perm.assign(65537, 0);
                return l;
              }()),
              ElementsAre(HasSubstr("65537 input columns and a permutation")));
}

TEST(VptqSizes, WhatGpuKernelsDoNotKnow) {
  EXPECT_THAT(
      problems_after([](auto& l) { l.vector_len = 7; }),
      ElementsAre(HasSubstr("vector_len is 7 (vptq's GPU kernels know 2, 4, 6, 8, 10, 12, 16)")));
  EXPECT_THAT(problems_after([](auto& l) { l.num_centroids = 512; }),
              ElementsAre(HasSubstr("log2 of num_centroids is 9")));
  EXPECT_THAT(problems_after([](auto& l) { l.num_res_centroids = 16384; }),
              ElementsAre(HasSubstr("log2 of num_res_centroids is 14")));
  EXPECT_THAT(problems_after([](auto& l) { l.num_groups = 2, l.group_size = 2048; }),
              ElementsAre(HasSubstr("num_res_centroids 256 differs from num_centroids 65536")));
  EXPECT_THAT(problems_after([](auto& l) { l.stored_type = StoredType::float32; }),
              ElementsAre(HasSubstr("stored type is float32")));
  EXPECT_THAT(problems_after([](auto& l) { l.in_features = l.group_size = 256; }),
              ElementsAre(HasSubstr("need more than 256")));
  EXPECT_THAT(gpu_problems(good()), IsEmpty());
}

TEST(VptqSizes, OutliersNeedVectorsOfFourAndMultiples) {
  const auto outliers = [](std::uint64_t v, std::uint64_t v0) {
    return problems_after([&](auto& l) {
      l.vector_len = v;
      l.outlier_size = 96, l.group_size = 4000;
      l.outlier_vector_len = v0;
      l.num_outlier_centroids = 8192;
    });
  };
  EXPECT_THAT(outliers(12, 4), IsEmpty());
  EXPECT_THAT(outliers(6, 4), ElementsAre(HasSubstr("outlier_vector_len is 4 and vector_len 6")));
  EXPECT_THAT(outliers(8, 8), ElementsAre(HasSubstr("know 4 and multiples of it")));
  EXPECT_THAT(outliers(8, 1), testing::Contains(HasSubstr("Choose 2 or more")));
}

TEST(VptqSizes, PermutationsAreAbsorbedOnlyWithOneGroupAndNoOutliers) {
  using test::random_sizes;
  const auto plain = random_sizes("l", {.out_features = 8, .in_features = 8});
  const auto permuted = random_sizes("l", {.out_features = 8, .in_features = 8, .has_perm = true});
  const auto groups =
      random_sizes("l", {.out_features = 8, .in_features = 8, .num_groups = 2, .has_perm = true});
  const auto outliers =
      random_sizes("l", {.out_features = 8, .in_features = 8, .outlier_size = 2, .has_perm = true});
  EXPECT_FALSE(writes_permutation(plain, Permutation::kept));
  EXPECT_FALSE(writes_permutation(permuted, Permutation::absorbed));
  EXPECT_TRUE(writes_permutation(permuted, Permutation::kept));
  EXPECT_TRUE(writes_permutation(groups, Permutation::absorbed));
  EXPECT_TRUE(writes_permutation(outliers, Permutation::absorbed));
}

}  // namespace
}  // namespace tessera::format
