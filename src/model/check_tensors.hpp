#pragma once
#include <string>
#include <vector>

#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::model {

/// What keeps @p source from being a complete model of @p config: expected tensors that are missing
/// or have another shape, and biases of linear layers that are there although the config does not
/// ask for them (they would silently be left out of the product). One sentence each; empty when all
/// is well. Other tensors beyond the expected ones are no problem. Reads no weights.
std::vector<std::string> tensor_problems(const TensorSource& source, const ModelConfig& config);

/// Throws one InputError with all of them (the first twenty in full).
void check_tensors(const TensorSource& source, const ModelConfig& config);

}  // namespace tessera::model
