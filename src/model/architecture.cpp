#include "model/architecture.hpp"

#include <array>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

using Bias = Architecture::Bias;
using Window = Architecture::Window;

constexpr std::array<Architecture, 4> kArchitectures{{
    {.name = "LlamaForCausalLM",
     .model_type = "llama",
     .qkv_bias = Bias::by_key,
     .o_bias = Bias::by_key,
     .mlp_bias = Bias::by_key,
     .max_positions = 2048},
    {.name = "MistralForCausalLM",
     .model_type = "mistral",
     .window = Window::by_value,
     .num_kv_heads = 8,
     .max_positions = 131072},
    {.name = "Qwen2ForCausalLM",
     .model_type = "qwen2",
     .qkv_bias = Bias::always,
     .window = Window::by_switch,
     .num_kv_heads = 32,
     .max_positions = 32768},
    {.name = "Qwen3ForCausalLM",
     .model_type = "qwen3",
     .qkv_bias = Bias::by_key,
     .o_bias = Bias::by_key,
     .qk_norm = true,
     .window = Window::by_switch,
     .head_dim = 128,
     .num_kv_heads = 32,
     .max_positions = 32768},
}};

std::string block_prefix(std::size_t block) {
  return fmt::format("model.layers.{}.", block);
}

std::string_view module_of(LinearRole role) {
  switch (role) {
    case LinearRole::q:
      return "self_attn.q_proj";
    case LinearRole::k:
      return "self_attn.k_proj";
    case LinearRole::v:
      return "self_attn.v_proj";
    case LinearRole::o:
      return "self_attn.o_proj";
    case LinearRole::gate:
      return "mlp.gate_proj";
    case LinearRole::up:
      return "mlp.up_proj";
    case LinearRole::down:
      return "mlp.down_proj";
  }
  throw Bug("a LinearRole without a module");
}

struct Extent {
  std::size_t out_features;
  std::size_t in_features;
  bool has_bias;
};

Extent extent_of(const ModelConfig& c, LinearRole role) {
  switch (role) {
    case LinearRole::q:
      return {c.q_size(), c.hidden_size, c.qkv_bias};
    case LinearRole::k:
    case LinearRole::v:
      return {c.kv_size(), c.hidden_size, c.qkv_bias};
    case LinearRole::o:
      return {c.hidden_size, c.q_size(), c.o_bias};
    case LinearRole::gate:
    case LinearRole::up:
      return {c.intermediate_size, c.hidden_size, c.mlp_bias};
    case LinearRole::down:
      return {c.hidden_size, c.intermediate_size, c.mlp_bias};
  }
  throw Bug("a LinearRole without an extent");
}

}  // namespace

std::span<const Architecture> architectures() {
  return kArchitectures;
}

std::string_view name_of(InputRole role) {
  switch (role) {
    case InputRole::attention_input:
      return "attention_input";
    case InputRole::attention_output:
      return "attention_output";
    case InputRole::mlp_input:
      return "mlp_input";
    case InputRole::mlp_hidden:
      return "mlp_hidden";
  }
  throw Bug("an InputRole without a name");
}

InputRole input_of(LinearRole role) {
  switch (role) {
    case LinearRole::q:
    case LinearRole::k:
    case LinearRole::v:
      return InputRole::attention_input;
    case LinearRole::o:
      return InputRole::attention_output;
    case LinearRole::gate:
    case LinearRole::up:
      return InputRole::mlp_input;
    case LinearRole::down:
      return InputRole::mlp_hidden;
  }
  throw Bug("a LinearRole without an input");
}

LinearLayer linear_layer(const ModelConfig& config, std::size_t block, LinearRole role) {
  require(block < config.num_blocks, "a block's number is below their count");
  const std::string module(module_of(role));
  const auto [out_features, in_features, has_bias] = extent_of(config, role);
  return {.block = block,
          .role = role,
          .name = block_prefix(block) + module,
          .module = module,
          .out_features = out_features,
          .in_features = in_features,
          .has_bias = has_bias};
}

std::vector<LinearLayer> linear_layers(const ModelConfig& config, std::size_t block) {
  std::vector<LinearLayer> layers;
  for (std::size_t i = 0; i < kNumLinearRoles; ++i) {
    layers.push_back(linear_layer(config, block, static_cast<LinearRole>(i)));
  }
  return layers;
}

std::string input_norm_name(std::size_t block) {
  return block_prefix(block) + "input_layernorm.weight";
}
std::string post_attention_norm_name(std::size_t block) {
  return block_prefix(block) + "post_attention_layernorm.weight";
}
std::string q_norm_name(std::size_t block) {
  return block_prefix(block) + "self_attn.q_norm.weight";
}
std::string k_norm_name(std::size_t block) {
  return block_prefix(block) + "self_attn.k_norm.weight";
}

std::vector<NamedShape> expected_tensors(const ModelConfig& config) {
  std::vector<NamedShape> tensors;
  tensors.push_back({std::string(kEmbeddingName), {config.vocab_size, config.hidden_size}});
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    tensors.push_back({input_norm_name(block), {config.hidden_size}});
    for (const LinearLayer& layer : linear_layers(config, block)) {
      tensors.push_back({layer.name + ".weight", {layer.out_features, layer.in_features}});
      if (layer.has_bias) tensors.push_back({layer.name + ".bias", {layer.out_features}});
    }
    if (config.qk_norm) {
      tensors.push_back({q_norm_name(block), {config.head_dim}});
      tensors.push_back({k_norm_name(block), {config.head_dim}});
    }
    tensors.push_back({post_attention_norm_name(block), {config.hidden_size}});
  }
  tensors.push_back({std::string(kFinalNormName), {config.hidden_size}});
  if (!config.tied_embeddings) {
    tensors.push_back({std::string(kHeadName), {config.vocab_size, config.hidden_size}});
  }
  return tensors;
}

}  // namespace tessera::model
