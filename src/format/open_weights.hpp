#pragma once
#include <filesystem>
#include <memory>

#include "model/tensor_source.hpp"

namespace tessera::format {

/// Opens a model folder, plain or packed (vptq, compressed-tensors, gptq), as its config.json says.
/// Throws InputError for any other quantization method.
std::unique_ptr<model::TensorSource> open_weights(const std::filesystem::path& folder);

}  // namespace tessera::format
