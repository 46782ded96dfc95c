#pragma once
#include <string>

#include "format/integer_sizes.hpp"
#include "model/model_config.hpp"

// What a packed model of integers says of itself.
namespace tessera::format {

/// Biases that the packed model has and the original's config.json may not speak of. Engines drop
/// undeclared ones without a word.
struct DeclaredBiases {
  bool attention = false;  ///< attention_bias: q, k, v and o
  bool mlp = false;        ///< mlp_bias: gate, up and down
};

/// config.json of the packed model: the original's keys in their order, `torch_dtype` as stored,
/// attention_bias and mlp_bias where there are such biases, and quantization_config, which names
/// lm_head and the linear layers of the blocks that stay as they were. Throws InputError as
/// common_scheme does; when a layer is none of the model's or has another shape there; when @p
/// stored_type is not that of the scales; when the architecture has no such switch for biases.
/// @pre sizes is not empty
std::string integer_config_json(const model::ModelConfig& original, const IntegerSizes& sizes,
                                StoredType stored_type, IntegerFormat format,
                                DeclaredBiases biases = {});

/// quantize_config.json of a GPTQ model: the same quantization_config in a file of its own, where
/// gptqmodel and older programs look for it.
std::string gptq_quantize_config_json(const model::ModelConfig& original,
                                      const IntegerSizes& sizes);

}  // namespace tessera::format
