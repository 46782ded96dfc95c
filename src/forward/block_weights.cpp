#include <fmt/core.h>

#include "core/error.hpp"
#include "forward/block.hpp"

namespace tessera::forward {
namespace {

/// An input is rounded once for all layers that read it; @p layers: those of the block.
void read_input_quantization(const model::TensorSource& source,
                             const std::vector<model::LinearLayer>& layers, BlockWeights& weights) {
  std::array<const model::LinearLayer*, model::kNumInputRoles> first_reader{};
  for (const model::LinearLayer& layer : layers) {
    if (layer.expert) continue;  // experts.hpp
    const auto input = static_cast<std::size_t>(layer.input().role);
    const auto found = source.input_quantization(layer.name);
    const model::LinearLayer*& first = first_reader[input];
    if (first == nullptr) {
      first = &layer;
      weights.input_quantization[input] = found;
    }
    if (found == weights.input_quantization[input]) continue;
    throw InputError(fmt::format(
        "{}: {} and {} read the same input, but quantize it in different ways (this program rounds "
        "it once for both). Quantize them alike.",
        source.origin(), first->name, layer.name));
  }
}

/// Fused layers are taken apart: each role's rows are multiplied by themselves.
void read_linear(const model::TensorSource& source, const model::LinearLayer& layer,
                 linalg::WeightOrder order, BlockWeights& weights) {
  const Matrix<float> matrix =
      source.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features);
  std::vector<float> bias;
  if (layer.has_bias) bias = source.read_vector(layer.name + ".bias", layer.out_features);
  for (const model::RoleRows& rows : layer.parts) {
    const auto role = static_cast<std::size_t>(rows.role);
    weights.linear[role] = linalg::PackedWeight(matrix.view().middle_rows(rows.begin, rows.count),
                                                linalg::Transposed::no, order);
    if (bias.empty()) continue;
    const std::span part(bias.data() + rows.begin, rows.count);
    weights.bias[role].assign(part.begin(), part.end());
  }
}

}  // namespace

BlockWeights load_block(const model::ModelConfig& config, const model::TensorSource& source,
                        std::size_t block, linalg::WeightOrder order) {
  BlockWeights weights;
  const std::vector<model::LinearLayer> layers = model::linear_layers(config, block);
  read_input_quantization(source, layers, weights);
  for (const model::LinearLayer& layer : layers) {
    if (!layer.expert) read_linear(source, layer, order, weights);
  }
  weights.mixture = load_mixture(config, source, block);
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
