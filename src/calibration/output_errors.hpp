#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "linalg/packed_weight.hpp"

namespace tessera::calibration {

/// A linear layer as one of two models has it: y = x W^T + bias.
struct LinearOutput {
  const linalg::PackedWeight& weight;
  std::span<const float> bias;  ///< empty: none
};

/// How far a layer's outputs in the quantized model are from those in the original, token by token:
/// per output channel the sum of e = y^ - y and of e^2, in fp64, for the empirical correction of
/// biases (aweq.md section 3, reading 1). Sums add; nothing is divided here.
class OutputErrors {
 public:
  explicit OutputErrors(std::size_t num_outputs = 0) : sums_(2 * num_outputs + 1) {}
  std::size_t num_outputs() const { return sums_.size() / 2; }

  /// Adds the tokens of a batch: rows of @p x, which the original reads, and of @p x_quantized,
  /// which the quantized model reads, rounded as its engine does. The first token of each sample is
  /// left out, an attention sink with means of its own, unless samples have no other. The result
  /// does not depend on the number of threads.
  /// @param x, x_quantized (whole samples of @p length tokens, in_features)
  void add(Threads& threads, const LinearOutput& original, MatrixView<const float> x,
           const LinearOutput& quantized, MatrixView<const float> x_quantized, std::size_t length);

  /// All numbers, to be sent and added elsewhere: the sums of e, those of e^2, the tokens.
  std::span<double> flat() { return sums_; }
  std::span<const double> flat() const { return sums_; }

  std::uint64_t num_tokens() const { return static_cast<std::uint64_t>(sums_.back()); }
  /// By output channel; zeros where no token was added.
  std::vector<double> mean() const;
  std::vector<double> mean_square() const;

 private:
  std::vector<double> divided(std::size_t first) const;

  std::vector<double> sums_;
};

}  // namespace tessera::calibration
