#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "solver/integer/integer_layer.hpp"

namespace tessera::test {

/// What a random layer of integers is to be like.
struct RandomIntegers {
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::uint64_t bits = 4;
  std::uint64_t group_size = 0;  ///< 0: one scale a row
  bool is_symmetric = true;
  StoredType scale_type = StoredType::float16;
  std::optional<InputQuantization> input = {};  ///< a static scale is drawn for each layer
  bool has_bias = false;
};

/// The layer without arrays.
solver::IntegerLayer random_sizes(const std::string& name, const RandomIntegers& wanted);

/// The same with random codes, scales around 1 / (10 * 2^bits) and zero points from 1 up: a valid
/// layer without a solver. The same name and wishes give the same layer.
solver::IntegerLayer random_integer_layer(const std::string& name, const RandomIntegers& wanted);

}  // namespace tessera::test
