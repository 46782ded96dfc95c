#pragma once
#include <string>

#include "format/residual_tensors.hpp"
#include "model/safetensors_file.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::format {

/// Reads one layer's residual and checks its contents. Throws InputError with tensor, place and
/// value.
/// @pre its tensors have the types and shapes that @p sizes make them
residual::ResidualLayer unpack_residual(const model::SafetensorsFolder& files,
                                        const std::string& layer, const ResidualSizes& sizes);

}  // namespace tessera::format
