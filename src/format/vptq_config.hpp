#pragma once
#include <string>

#include "format/vptq_sizes.hpp"
#include "model/model_config.hpp"

namespace tessera::format {

/// config.json of the packed model: the original's keys in their order, `torch_dtype` as stored,
/// and quantization_config with one object of exactly 13 keys a layer (vptq.md 3.1: other keys, or
/// fewer, are errors in one loader or the other). `modules_to_not_convert` names lm_head and the
/// linear layers of the blocks that stay as they were. Throws InputError when a layer is none of
/// the model's, or has another shape there.
std::string vptq_config_json(const model::ModelConfig& original, const LayerSizes& sizes_of_layers,
                             StoredType stored_type,
                             Permutation permutation = Permutation::absorbed);

}  // namespace tessera::format
