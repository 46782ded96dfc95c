#include <fmt/core.h>

#include "core/error.hpp"
#include "forward/experts.hpp"

namespace tessera::forward {
namespace {

linalg::PackedWeight read_packed(const model::TensorSource& source,
                                 const model::LinearLayer& layer) {
  return linalg::PackedWeight(
      source.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features));
}

ExpertWeights load_expert(const model::ModelConfig& config, const model::TensorSource& source,
                          std::size_t block, std::size_t expert) {
  using model::LinearRole;
  const auto gate = model::expert_layer(config, block, expert, LinearRole::gate);
  const auto up = model::expert_layer(config, block, expert, LinearRole::up);
  const auto down = model::expert_layer(config, block, expert, LinearRole::down);
  ExpertWeights weights{read_packed(source, gate), read_packed(source, up),
                        read_packed(source, down), source.input_quantization(gate.name),
                        source.input_quantization(down.name)};
  if (source.input_quantization(up.name) != weights.input_quantization) {
    throw InputError(
        fmt::format("{}: {} and {} read the same input, but quantize it in different ways (this "
                    "program rounds it once for both). Quantize them alike.",
                    source.origin(), gate.name, up.name));
  }
  return weights;
}

}  // namespace

MixtureWeights load_mixture(const model::ModelConfig& config, const model::TensorSource& source,
                            std::size_t block) {
  MixtureWeights weights;
  if (config.num_experts == 0) return weights;
  const auto steering = model::steering_layers(config, block);
  weights.router = linalg::PackedWeight(
      source.read_matrix(steering[0].name + ".weight", config.num_experts, config.hidden_size));
  if (steering.size() > 1) {
    const auto gate = source.read_matrix(steering[1].name + ".weight", 1, config.hidden_size);
    weights.shared_gate.assign(gate.span().begin(), gate.span().end());
  }
  for (std::size_t expert = 0; expert < config.num_experts; ++expert) {
    weights.experts.push_back(load_expert(config, source, block, expert));
  }
  return weights;
}

}  // namespace tessera::forward
