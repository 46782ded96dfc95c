#pragma once
#include <string>

#include "format/integer_file_config.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {

/// Reads the arrays of one layer, whose sizes are @p sizes and whose tensors' types and shapes were
/// checked (integer_layer_file.hpp), and checks their contents: no bits set after the last code of
/// a row, positive finite scales, zero points within their bits and, where symmetric, in the
/// middle, groups of columns in their order. Throws InputError with folder, tensor, position and
/// value.
solver::IntegerLayer unpack_integer_layer(const model::SafetensorsFolder& files,
                                          const std::string& name,
                                          const solver::IntegerLayer& sizes,
                                          IntegerFileConfig::Layout layout,
                                          bool has_whole_zero_points);

}  // namespace tessera::format
