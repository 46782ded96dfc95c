#pragma once
#include <span>
#include <vector>

#include "solver/aweq/equalization.hpp"

namespace tessera::solver {

/// What one scale after another does to the same input; keeps what the trials share. Errors are the
/// same for any number of threads.
class ScaleTrial {
 public:
  ScaleTrial(Threads& threads, const SharedInput& input, const IntegerSettings& integers,
             StoredType scale_type);

  /// scaled_error at @p scale, (N).
  double error(std::span<const float> scale);

 private:
  double error_under_hessian(MatrixView<const float> weight, std::span<const float> scale) const;
  double error_of_tokens(MatrixView<const float> weight, std::span<const float> scale,
                         MatrixView<const float> quantized_input) const;
  Matrix<float> quantized_input(std::span<const float> scale) const;
  Matrix<float> rounded(MatrixView<const float> weight, std::span<const float> scale) const;

  Threads& threads_;
  const SharedInput& input_;
  const IntegerSettings integers_;
  const StoredType scale_type_;
  std::vector<MatrixView<const float>> tiles_;  ///< of the consumers' rows
  Matrix<float> hessian_;                       ///< the full square in fp32, where it decides
};

}  // namespace tessera::solver
