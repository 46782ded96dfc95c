#include "forward/block.hpp"

namespace tessera::forward {

BlockWeights load_block(const model::ModelConfig& config, const model::TensorSource& source,
                        std::size_t block) {
  BlockWeights weights;
  for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
    const auto role = static_cast<std::size_t>(layer.role);
    weights.linear[role] = linalg::PackedWeight(
        source.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features));
    if (layer.has_bias) {
      weights.bias[role] = source.read_vector(layer.name + ".bias", layer.out_features);
    }
  }
  weights.attention_norm =
      load_norm(source, model::attention_norm(config, block), config.hidden_size);
  weights.mlp_norm = load_norm(source, model::mlp_norm(config, block), config.hidden_size);
  if (config.qk_norm) {
    weights.q_norm = source.read_vector(model::q_norm_name(config, block), config.head_dim);
    weights.k_norm = source.read_vector(model::k_norm_name(config, block), config.head_dim);
  }
  return weights;
}

}  // namespace tessera::forward
