#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "solver/vptq/vptq_layer.hpp"

namespace tessera::test {

/// What a random layer is to be like; the groups share what the outliers leave, which grow until
/// that divides.
struct RandomLayer {
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::uint64_t vector_len = 8;
  std::uint64_t num_centroids = 256;
  std::uint64_t num_res_centroids = 0;
  std::uint64_t num_groups = 1;
  std::uint64_t outlier_size = 0;
  std::uint64_t outlier_vector_len = 4;
  std::uint64_t num_outlier_centroids = 16;
  StoredType stored_type = StoredType::float16;
  bool has_perm = false;
  bool has_norm = true;
};

/// The layer without arrays, except its permutation.
solver::VptqLayer random_sizes(const std::string& name, const RandomLayer& wanted);

/// The same with random codebooks and indices: a valid layer without a solver. The same name and
/// wishes give the same layer.
solver::VptqLayer random_vptq_layer(const std::string& name, const RandomLayer& wanted);

/// W[n, k] by the formula of vptq.md 3.3, one element at a time, each operation rounded to float as
/// an engine does.
float dequantized_element(const solver::VptqLayer& layer, std::size_t n, std::size_t k);

}  // namespace tessera::test
