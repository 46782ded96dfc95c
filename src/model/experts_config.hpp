#pragma once
#include "model/architecture.hpp"
#include "model/config_fields.hpp"

namespace tessera::model {

/// What config.json says of a mixture of experts; nothing where @p row has none. Throws InputError
/// for impossible sizes and for what is not computed here: blocks with a plain MLP among those with
/// a mixture (mlp_only_layers, decoder_sparse_step), Qwen mixtures with a sliding window, Qwen2-MoE
/// without biases.
void read_experts(const ConfigFields& fields, const Architecture& row, ModelConfig& config);

}  // namespace tessera::model
