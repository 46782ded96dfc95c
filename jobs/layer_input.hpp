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
  Matrix<double> left;     ///< the same of what compensation leaves; empty: no solver counts on it
  std::vector<double> mean;
  float low = 0, high = 0;  ///< of all channels, 0 included
  std::uint64_t num_tokens = 0;
  std::string problem;  ///< why the Hessian is the identity and the mean 0; empty: they are not

  Matrix<float> tokens;  ///< of some tokens, where the job keeps them; none a sample's first, which
                         ///< is a sink for attention and like no other

  /// What solvers minimize that count on compensation: (1 - plain_share) of the error that it
  /// leaves and plain_share of the error without. @pre left is there
  Matrix<double> objective(double plain_share) const;
  /// What a channel's residual counts: its part in E[x_j^2] that compensation fetches, and
  /// @p plain_share of the rest.
  std::vector<double> importance(double plain_share) const;
};

Matrix<double> identity(std::size_t n);

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
