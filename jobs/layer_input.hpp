#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jobs/equalized_weights.hpp"

namespace tessera::jobs {

/// What a solver knows of an input, in the equalized model: from the one calibration, H' = S^-1 H
/// S^-1.
struct LayerInput {
  Matrix<double> hessian;  ///< lower triangle, the mean of x x^T
  std::vector<double> mean;
  float low = 0, high = 0;  ///< of all channels, 0 included
  std::uint64_t num_tokens = 0;
  std::string without_tokens;  ///< why the Hessian is the identity, a sentence; empty: it is not
};

/// The input that was asked for last: q, k and v, and gate and up, read the same one.
class LastInput {
 public:
  LastInput(const PreparedRun& prepared, const WorkFolder& work, const EqualizedWeights& weights)
      : prepared_(prepared), work_(work), weights_(weights) {}

  const LayerInput& of(const model::LinearLayer& layer);

 private:
  const PreparedRun& prepared_;
  const WorkFolder& work_;
  const EqualizedWeights& weights_;
  std::optional<std::pair<std::size_t, model::InputKey>> held_;
  LayerInput input_;
};

}  // namespace tessera::jobs
