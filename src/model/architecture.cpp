#include "model/architecture.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

using Bias = Architecture::Bias;
using Window = Architecture::Window;

constexpr TensorNames kLlamaTensors{
    .blocks = "model.layers",
    .modules = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"},
    .attention_norm = "input_layernorm",
    .mlp_norm = "post_attention_layernorm",
    .embedding = "model.embed_tokens",
    .positions = "",
    .final_norm = "model.norm"};

/// LLaMA's names but for the MLP, which each family arranges in its own way.
constexpr TensorNames llama_with_mlp(std::string_view gate, std::string_view up,
                                     std::string_view down) {
  TensorNames names = kLlamaTensors;
  names.modules[4] = gate;
  names.modules[5] = up;
  names.modules[6] = down;
  return names;
}

constexpr TensorNames kMixtralTensors = [] {
  TensorNames names = llama_with_mlp("", "", "");
  names.router = "block_sparse_moe.gate";
  names.experts = "block_sparse_moe.experts";
  names.expert_modules = {"w1", "w3", "w2"};
  return names;
}();

constexpr TensorNames kQwen3MoeTensors = [] {
  TensorNames names = llama_with_mlp("", "", "");
  names.router = "mlp.gate";
  names.experts = "mlp.experts";
  names.expert_modules = {"gate_proj", "up_proj", "down_proj"};
  return names;
}();

constexpr TensorNames kQwen2MoeTensors = [] {
  TensorNames names = kQwen3MoeTensors;
  names.modules = llama_with_mlp("mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj",
                                 "mlp.shared_expert.down_proj")
                      .modules;
  names.shared_gate = "mlp.shared_expert_gate";
  return names;
}();

constexpr TensorNames kOptTensors{
    .blocks = "model.decoder.layers",
    .modules = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
                "", "fc1", "fc2"},
    .attention_norm = "self_attn_layer_norm",
    .mlp_norm = "final_layer_norm",
    .embedding = "model.decoder.embed_tokens",
    .positions = "model.decoder.embed_positions",
    .final_norm = "model.decoder.final_layer_norm"};

constexpr TensorNames kPhi3Tensors = [] {
  TensorNames names = llama_with_mlp("mlp.gate_up_proj", "mlp.gate_up_proj", "mlp.down_proj");
  names.modules[0] = names.modules[1] = names.modules[2] = "self_attn.qkv_proj";
  return names;
}();

constexpr std::array<Architecture, 9> kArchitectures{{
    {.name = "LlamaForCausalLM",
     .model_type = "llama",
     .tensors = kLlamaTensors,
     .qkv_bias = Bias::by_key,
     .o_bias = Bias::by_key,
     .mlp_bias = Bias::by_key,
     .max_positions = 2048},
    {.name = "MistralForCausalLM",
     .model_type = "mistral",
     .tensors = kLlamaTensors,
     .window = Window::by_value,
     .num_kv_heads = 8,
     .max_positions = 131072},
    {.name = "MixtralForCausalLM",
     .model_type = "mixtral",
     .tensors = kMixtralTensors,
     .mlp_size_key = "",
     .num_experts_key = "num_local_experts",
     .expert_size_key = "intermediate_size",
     .normalizes_expert_weights = true,
     .window = Window::by_value,
     .default_window = 0,
     .norm_epsilon = 1e-5,
     .rope_theta = 1e6,
     .num_kv_heads = 8,
     .max_positions = 131072},
    {.name = "OPTForCausalLM",
     .model_type = "opt",
     .tensors = kOptTensors,
     .mlp_size_key = "ffn_dim",
     .activation_key = "activation_function",
     .norm = NormKind::layer,
     .activation = Activation::relu,
     .positions = Positions::learned,
     .qkv_bias = Bias::always,
     .o_bias = Bias::always,
     .mlp_bias = Bias::always,
     .tied_embeddings = true,
     .max_positions = 2048},
    {.name = "Phi3ForCausalLM",
     .model_type = "phi3",
     .tensors = kPhi3Tensors,
     .window = Window::by_value,
     .default_window = 0,
     .norm_epsilon = 1e-5,
     .max_positions = 4096},
    {.name = "Qwen2ForCausalLM",
     .model_type = "qwen2",
     .tensors = kLlamaTensors,
     .qkv_bias = Bias::always,
     .window = Window::by_switch,
     .num_kv_heads = 32,
     .max_positions = 32768},
    {.name = "Qwen2MoeForCausalLM",
     .model_type = "qwen2_moe",
     .tensors = kQwen2MoeTensors,
     .mlp_size_key = "shared_expert_intermediate_size",
     .num_experts_key = "num_experts",
     .expert_size_key = "moe_intermediate_size",
     .qkv_bias = Bias::always,
     .num_kv_heads = 16,
     .max_positions = 32768},
    {.name = "Qwen3ForCausalLM",
     .model_type = "qwen3",
     .tensors = kLlamaTensors,
     .qkv_bias = Bias::by_key,
     .o_bias = Bias::by_key,
     .qk_norm = true,
     .window = Window::by_switch,
     .head_dim = 128,
     .num_kv_heads = 32,
     .max_positions = 32768},
    {.name = "Qwen3MoeForCausalLM",
     .model_type = "qwen3_moe",
     .tensors = kQwen3MoeTensors,
     .mlp_size_key = "",
     .num_experts_key = "num_experts",
     .expert_size_key = "moe_intermediate_size",
     .qkv_bias = Bias::by_key,
     .o_bias = Bias::by_key,
     .qk_norm = true,
     .num_kv_heads = 4,
     .max_positions = 32768},
}};

}  // namespace

std::span<const Architecture> architectures() {
  return kArchitectures;
}

const Architecture& architecture_of(const ModelConfig& config) {
  const auto row = std::ranges::find(kArchitectures, config.architecture, &Architecture::name);
  require(row != kArchitectures.end(), "a config's architecture is a row of the table");
  return *row;
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

std::string name_of(const InputKey& key) {
  const std::string name(name_of(key.role));
  return key.expert ? fmt::format("{} of expert {}", name, *key.expert) : name;
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

}  // namespace tessera::model
