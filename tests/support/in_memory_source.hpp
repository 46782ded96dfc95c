#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/random.hpp"
#include "model/architecture.hpp"
#include "model/tensor_source.hpp"

namespace tessera::test {

/// Tensors a test made itself. Users link tessera::model.
class InMemorySource final : public model::TensorSource {
 public:
  struct Tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor, std::less<>> tensors;
  std::map<std::string, InputQuantization, std::less<>> input_quantizations;  ///< by layer

  bool contains(std::string_view name) const override { return tensors.contains(name); }
  model::TensorInfo info(std::string_view name) const override {
    return {DType::f32, find(name).shape};
  }
  void read(std::string_view name, std::span<float> out) const override {
    const auto& values = find(name).values;
    require(values.size() == out.size(), "InMemorySource: the size asked for is another");
    std::ranges::copy(values, out.begin());
  }
  std::optional<InputQuantization> input_quantization(std::string_view layer) const override {
    const auto found = input_quantizations.find(layer);
    if (found == input_quantizations.end()) return std::nullopt;
    return found->second;
  }
  std::string origin() const override { return "memory"; }

 private:
  const Tensor& find(std::string_view name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw InputError("memory: no tensor " + std::string(name));
    return found->second;
  }
};

/// Every tensor of @p config: matrices of size 1 / sqrt(in_features), norms around 1, biases around
/// 0.3.
inline InMemorySource random_weights(const model::ModelConfig& config, std::uint64_t seed) {
  InMemorySource source;
  for (const auto& [name, shape] : model::expected_tensors(config)) {
    const CounterRandom random(seed, name, "random_weights");
    InMemorySource::Tensor tensor{shape, {}};
    const bool is_bias = name.ends_with(".bias");
    const double mean = shape.size() == 1 && !is_bias ? 1 : 0;
    const double size = shape.size() == 1 ? 0.3 : 1 / std::sqrt(static_cast<double>(shape.back()));
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    for (std::size_t i = 0; i < count; ++i) {
      tensor.values.push_back(static_cast<float>(mean + size * random.normal(i)));
    }
    source.tensors[name] = std::move(tensor);
  }
  return source;
}

/// A Llama of few channels, to be varied: 2 blocks, 4 heads of 6 over 2 key-value heads.
inline model::ModelConfig tiny_config() {
  model::ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 20;
  config.intermediate_size = 37;
  config.num_blocks = 2;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 6;
  config.vocab_size = 53;
  config.max_positions = 4096;
  return config;
}

/// An OPT of few channels, to be varied: 2 blocks, 2 heads of 10.
inline model::ModelConfig tiny_opt_config() {
  model::ModelConfig config = tiny_config();
  config.architecture = "OPTForCausalLM";
  config.norm = model::NormKind::layer;
  config.activation = model::Activation::relu;
  config.positions = model::Positions::learned;
  config.num_heads = config.num_kv_heads = 2;
  config.head_dim = 10;
  config.max_positions = 300;
  config.tied_embeddings = true;
  config.qkv_bias = config.o_bias = config.mlp_bias = true;
  return config;
}

/// A Phi-3 of the same sizes as tiny_config(): q, k, v and gate, up are fused.
inline model::ModelConfig tiny_phi3_config() {
  model::ModelConfig config = tiny_config();
  config.architecture = "Phi3ForCausalLM";
  return config;
}

/// A mixture of 5 experts of the same sizes, 2 a token, all of one family: "MixtralForCausalLM",
/// "Qwen2MoeForCausalLM" (with a shared expert), "Qwen3MoeForCausalLM".
inline model::ModelConfig tiny_mixture_config(const std::string& family) {
  model::ModelConfig config = tiny_config();
  config.architecture = family;
  config.num_experts = 5;
  config.experts_per_token = 2;
  config.expert_size = 13;
  config.normalizes_expert_weights = family == "MixtralForCausalLM";
  config.intermediate_size = family == "Qwen2MoeForCausalLM" ? 37 : 0;
  config.qkv_bias = family == "Qwen2MoeForCausalLM";
  config.qk_norm = family == "Qwen3MoeForCausalLM";
  return config;
}

}  // namespace tessera::test
