#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "core/matrix.hpp"

namespace tessera::jobs {

/// How far two matrices of equal shape are apart.
struct WeightDifference {
  double relative = 0;  ///< |A - B|² / |A|², in fp64; infinite when only A is zero
  double largest = 0;   ///< the largest |a - b|
};
WeightDifference difference(MatrixView<const float> a, MatrixView<const float> b);

/// One linear layer of the blocks, in both models.
struct LayerComparison {
  std::string name;  ///< "model.layers.3.self_attn.q_proj"
  WeightDifference difference;
  std::optional<double> bits_of_a, bits_of_b;  ///< a weight; where packed
};

struct Comparison {
  std::filesystem::path a, b;
  bool has_equal_files = false;                ///< the same .safetensors names with the same bytes
  std::optional<double> bits_of_a, bits_of_b;  ///< a weight, of all packed layers
  std::vector<LayerComparison> layers;         ///< in the order of the model

  /// The layer that differs most, relatively. @pre there are layers, as every model has
  const LayerComparison& worst() const;
};

/// Compares two model folders, plain or packed, layer by layer; one layer of each is in memory at a
/// time. Throws InputError naming what differs when the models are not of one architecture and
/// shape.
Comparison compare(const std::filesystem::path& a, const std::filesystem::path& b);

JsonValue to_json(const Comparison& comparison);

}  // namespace tessera::jobs
