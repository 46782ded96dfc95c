// The tensors of a family, from its row of the table.
#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"
#include "model/architecture.hpp"

namespace tessera::model {
namespace {

std::string block_prefix(const ModelConfig& config, std::size_t block) {
  return fmt::format("{}.{}.", architecture_of(config).tensors.blocks, block);
}

std::string_view module_of(const ModelConfig& config, LinearRole role) {
  return architecture_of(config).tensors.modules.at(static_cast<std::size_t>(role));
}

NormNames norm_names(const ModelConfig& config, const std::string& module) {
  return {module + ".weight", config.norm == NormKind::layer ? module + ".bias" : ""};
}

struct Extent {
  std::size_t out_features;
  std::size_t in_features;
  bool has_bias;
};

Extent extent_of(const ModelConfig& c, LinearRole role, bool is_expert = false) {
  const std::size_t mlp_size = is_expert ? c.expert_size : c.intermediate_size;
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
      return {mlp_size, c.hidden_size, c.mlp_bias};
    case LinearRole::down:
      return {c.hidden_size, mlp_size, c.mlp_bias};
  }
  throw Bug("a LinearRole without an extent");
}

void add_norm(const NormNames& norm, std::size_t size, std::vector<NamedShape>& tensors) {
  tensors.push_back({norm.weight, {size}});
  if (!norm.bias.empty()) tensors.push_back({norm.bias, {size}});
}

}  // namespace

bool is_in_mlp(LinearRole role) {
  return role == LinearRole::gate || role == LinearRole::up || role == LinearRole::down;
}

bool may_have_bias(const ModelConfig& config, LinearRole role) {
  const Architecture& row = architecture_of(config);
  if (is_in_mlp(role)) return row.mlp_bias != Architecture::Bias::never;
  return (role == LinearRole::o ? row.o_bias : row.qkv_bias) != Architecture::Bias::never;
}

bool has_role(const ModelConfig& config, LinearRole role) {
  return !module_of(config, role).empty();
}

RoleRows LinearLayer::rows_of(LinearRole part) const {
  const auto found = std::ranges::find(parts, part, &RoleRows::role);
  require(found != parts.end(), "the layer has rows of this role");
  return *found;
}

LinearLayer linear_layer(const ModelConfig& config, std::size_t block, LinearRole role) {
  require(block < config.num_blocks, "a block's number is below their count");
  require(has_role(config, role), "the family has a layer of this role");
  LinearLayer layer;
  layer.block = block;
  layer.module = module_of(config, role);
  layer.name = block_prefix(config, block) + layer.module;
  for (std::size_t i = 0; i < kNumLinearRoles; ++i) {
    const auto part = static_cast<LinearRole>(i);
    if (module_of(config, part) != layer.module) continue;
    const Extent extent = extent_of(config, part);
    if (layer.parts.empty()) layer.role = part;
    layer.parts.push_back({part, layer.out_features, extent.out_features});
    layer.out_features += extent.out_features;
    layer.in_features = extent.in_features;
    layer.has_bias = extent.has_bias;
  }
  return layer;
}

LinearLayer expert_layer(const ModelConfig& config, std::size_t block, std::size_t expert,
                         LinearRole role) {
  require(block < config.num_blocks, "a block's number is below their count");
  require(expert < config.num_experts && is_in_mlp(role), "a mixture has this expert's layer");
  const TensorNames& names = architecture_of(config).tensors;
  const std::size_t module =
      static_cast<std::size_t>(role) - static_cast<std::size_t>(LinearRole::gate);
  const Extent extent = extent_of(config, role, true);
  LinearLayer layer;
  layer.block = block;
  layer.role = role;
  layer.expert = expert;
  layer.module = fmt::format("{}.{}.{}", names.experts, expert, names.expert_modules.at(module));
  layer.name = block_prefix(config, block) + layer.module;
  layer.out_features = extent.out_features;
  layer.in_features = extent.in_features;
  layer.has_bias = extent.has_bias;
  layer.parts.push_back({role, 0, layer.out_features});
  return layer;
}

std::vector<SteeringLayer> steering_layers(const ModelConfig& config, std::size_t block) {
  if (config.num_experts == 0) return {};
  const TensorNames& names = architecture_of(config).tensors;
  const std::string prefix = block_prefix(config, block);
  std::vector<SteeringLayer> layers{{prefix + std::string(names.router), config.num_experts}};
  if (!names.shared_gate.empty()) layers.push_back({prefix + std::string(names.shared_gate), 1});
  return layers;
}

std::size_t channels_of(const ModelConfig& config, const InputKey& key) {
  switch (key.role) {
    case InputRole::attention_input:
    case InputRole::mlp_input:
      return config.hidden_size;
    case InputRole::attention_output:
      return config.q_size();
    case InputRole::mlp_hidden:
      return key.expert ? config.expert_size : config.intermediate_size;
  }
  throw Bug("an InputRole without channels");
}

std::vector<LinearLayer> linear_layers(const ModelConfig& config, std::size_t block) {
  std::vector<LinearLayer> layers;
  for (std::size_t i = 0; i < kNumLinearRoles; ++i) {
    const auto role = static_cast<LinearRole>(i);
    if (!has_role(config, role)) continue;
    LinearLayer layer = linear_layer(config, block, role);
    if (layer.role == role) layers.push_back(std::move(layer));  // a fused one stands once
  }
  for (std::size_t expert = 0; expert < config.num_experts; ++expert) {
    for (const LinearRole role : {LinearRole::gate, LinearRole::up, LinearRole::down}) {
      layers.push_back(expert_layer(config, block, expert, role));
    }
  }
  return layers;
}

NormNames attention_norm(const ModelConfig& config, std::size_t block) {
  const auto module = architecture_of(config).tensors.attention_norm;
  return norm_names(config, block_prefix(config, block) + std::string(module));
}

NormNames mlp_norm(const ModelConfig& config, std::size_t block) {
  const auto module = architecture_of(config).tensors.mlp_norm;
  return norm_names(config, block_prefix(config, block) + std::string(module));
}

NormNames final_norm(const ModelConfig& config) {
  return norm_names(config, std::string(architecture_of(config).tensors.final_norm));
}

std::string q_norm_name(const ModelConfig& config, std::size_t block) {
  return block_prefix(config, block) + "self_attn.q_norm.weight";
}
std::string k_norm_name(const ModelConfig& config, std::size_t block) {
  return block_prefix(config, block) + "self_attn.k_norm.weight";
}

std::string embedding_name(const ModelConfig& config) {
  return fmt::format("{}.weight", architecture_of(config).tensors.embedding);
}

std::string positions_name(const ModelConfig& config) {
  require(config.positions == Positions::learned, "only learned positions are a tensor");
  return fmt::format("{}.weight", architecture_of(config).tensors.positions);
}

std::vector<NamedShape> expected_tensors(const ModelConfig& config) {
  std::vector<NamedShape> tensors;
  tensors.push_back({embedding_name(config), {config.vocab_size, config.hidden_size}});
  if (config.positions == Positions::learned) {
    tensors.push_back(
        {positions_name(config), {config.max_positions + kPositionOffset, config.hidden_size}});
  }
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    add_norm(attention_norm(config, block), config.hidden_size, tensors);
    for (const LinearLayer& layer : linear_layers(config, block)) {
      tensors.push_back({layer.name + ".weight", {layer.out_features, layer.in_features}});
      if (layer.has_bias) tensors.push_back({layer.name + ".bias", {layer.out_features}});
    }
    for (const SteeringLayer& layer : steering_layers(config, block)) {
      tensors.push_back({layer.name + ".weight", {layer.out_features, config.hidden_size}});
    }
    if (config.qk_norm) {
      tensors.push_back({q_norm_name(config, block), {config.head_dim}});
      tensors.push_back({k_norm_name(config, block), {config.head_dim}});
    }
    add_norm(mlp_norm(config, block), config.hidden_size, tensors);
  }
  add_norm(final_norm(config), config.hidden_size, tensors);
  if (!config.tied_embeddings) {
    tensors.push_back({std::string(kHeadName), {config.vocab_size, config.hidden_size}});
  }
  return tensors;
}

}  // namespace tessera::model
