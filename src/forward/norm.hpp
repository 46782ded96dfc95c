#pragma once
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "model/architecture.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

/// What a norm over channels multiplies with and adds.
struct NormWeights {
  std::vector<float> weight;
  std::vector<float> bias;  ///< empty where the norm has none
};

/// Throws InputError for a missing, misshaped or non-finite tensor.
NormWeights load_norm(const model::TensorSource& source, const model::NormNames& names,
                      std::size_t size);

/// out = x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich 2019); out may be x.
void rms_norm(std::span<const float> x, std::span<const float> weight, double epsilon,
              std::span<float> out);

/// out = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias (Ba et al. 2016); out may be
/// x.
void layer_norm(std::span<const float> x, const NormWeights& norm, double epsilon,
                std::span<float> out);

/// The norm of the config's kind, of each row.
void normalize_rows(const model::ModelConfig& config, const NormWeights& norm,
                    MatrixView<const float> x, MatrixView<float> out);

}  // namespace tessera::forward
