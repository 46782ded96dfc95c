#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "model/model_config.hpp"

namespace tessera::forward {

/// The angle a pair of channels turns per position: theta^(-2i / head_dim) for i < head_dim / 2,
/// stretched as rope_scaling says (linear: divided by the factor; llama3: long waves divided, short
/// ones kept, between them a blend).
std::vector<double> rotary_frequencies(const model::ModelConfig& config);

/// Cosines and sines of every position's angles (Su et al. 2021), for the layout in which Hugging
/// Face keeps q and k: channel i turns with channel i + head_dim / 2.
class RotaryTable {
 public:
  RotaryTable(const model::ModelConfig& config, std::size_t max_length);

  std::size_t max_length() const { return cos_.rows(); }
  /// Turns one head's channels (head_dim) as position @p position demands.
  void rotate(std::span<float> head, std::size_t position) const;

 private:
  Matrix<float> cos_, sin_;  // (max_length, head_dim / 2)
};

}  // namespace tessera::forward
