#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_config.hpp"

namespace tessera::model {

/// A linear layer's place in its block. Without a gate, up and down are a plain MLP's first and
/// second layer.
enum class LinearRole { q, k, v, o, gate, up, down };
inline constexpr std::size_t kNumLinearRoles = 7;

/// What a linear layer reads. Layers that read the same input share one set of statistics.
enum class InputRole { attention_input, attention_output, mlp_input, mlp_hidden };
inline constexpr std::size_t kNumInputRoles = 4;

std::string_view name_of(InputRole role);  ///< "attention_input", ...
InputRole input_of(LinearRole role);

/// One of a block's inputs: that of the layers every token passes, or that of one expert, which
/// sees the tokens routed to it. In order: by role, every token's first, then by expert.
struct InputKey {
  InputRole role{};
  std::optional<std::size_t> expert;

  InputKey() = default;
  InputKey(InputRole of_role, std::optional<std::size_t> of_expert = std::nullopt)
      : role(of_role), expert(of_expert) {}
  auto operator<=>(const InputKey&) const = default;
};
std::string name_of(const InputKey& key);  ///< "mlp_input", "mlp_input of expert 3"

/// What a family calls its tensors. Roles that share a module are one fused layer, their rows in
/// the order of the roles.
struct TensorNames {
  std::string_view blocks;                                ///< block N's begin with blocks + ".N."
  std::array<std::string_view, kNumLinearRoles> modules;  ///< by LinearRole; empty: there is none
  std::string_view attention_norm, mlp_norm;              ///< of a block
  std::string_view embedding, positions, final_norm;      ///< positions: empty where rotary

  // Of a mixture of experts; its modules above are those of the expert that all tokens share.
  std::string_view router = "";       ///< of a block; empty: no mixture
  std::string_view shared_gate = "";  ///< of a block; empty: no shared expert
  std::string_view experts = "";      ///< of a block; expert E's begin with experts + ".E."
  std::array<std::string_view, 3> expert_modules = {};  ///< gate, up, down
};

/// A row of the architecture table: how one model family differs from the others. All of them are
/// pre-norm blocks of causal attention and an MLP, or a mixture of MLPs. The defaults are those of
/// the family's configuration class in transformers.
struct Architecture {
  enum class Bias { never, always, by_key };         ///< by_key: config.json decides, default false
  enum class Window { never, by_value, by_switch };  ///< sliding_window; with use_sliding_window

  std::string_view name;        ///< in config.json's architectures
  std::string_view model_type;  ///< the same family's short name
  const TensorNames& tensors;
  std::string_view mlp_size_key = "intermediate_size";  ///< empty: no MLP that all tokens pass
  std::string_view num_experts_key = "";                ///< empty: no mixture of experts
  std::string_view expert_size_key = "";
  bool normalizes_expert_weights = false;  ///< always; else key norm_topk_prob decides
  std::string_view activation_key = "hidden_act";
  NormKind norm = NormKind::rms;
  Activation activation = Activation::gated_silu;
  Positions positions = Positions::rotary;
  Bias qkv_bias = Bias::never;  ///< key attention_bias
  Bias o_bias = Bias::never;    ///< key attention_bias
  Bias mlp_bias = Bias::never;  ///< key mlp_bias
  bool qk_norm = false;
  Window window = Window::never;
  std::size_t default_window = 4096;  ///< 0: none
  double norm_epsilon = 1e-6;         ///< RMSNorm
  double rope_theta = 10000;
  bool tied_embeddings = false;  ///< when config.json is silent, like the rest
  std::size_t head_dim = 0;      ///< 0: hidden_size / num_attention_heads
  std::size_t num_kv_heads = 0;  ///< 0: num_attention_heads
  std::size_t max_positions = 0;
};

/// The table, in alphabetical order.
std::span<const Architecture> architectures();
/// The row of config.architecture.
const Architecture& architecture_of(const ModelConfig& config);

/// Rows [begin, begin + count) of a linear layer, which serve one role.
struct RoleRows {
  LinearRole role{};
  std::size_t begin = 0;
  std::size_t count = 0;
};

/// One weight matrix of a transformer block that can be quantized. Phi-3 keeps q, k, v in one and
/// gate and up in another; each is a single layer then, with several parts that read one input.
struct LinearLayer {
  std::size_t block = 0;
  LinearRole role = LinearRole::q;    ///< of the first part
  std::optional<std::size_t> expert;  ///< whose it is, of a mixture's; none: every token passes it
  std::string name;    ///< "model.layers.3.self_attn.q_proj"; the weight is name + ".weight"
  std::string module;  ///< "self_attn.q_proj"
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  bool has_bias = false;
  std::vector<RoleRows> parts;  ///< from the first row to the last; one where nothing is fused

  InputKey input() const { return {input_of(role), expert}; }
  RoleRows rows_of(LinearRole part) const;  ///< @pre the layer has this part
};

/// All linear layers of a block that can be quantized, in the order q, k, v, o, gate, up, down,
/// then gate, up, down of each expert; the family may have no gate, and fused layers stand once.
std::vector<LinearLayer> linear_layers(const ModelConfig& config, std::size_t block);
/// The layer that serves @p role, maybe among others.
/// @pre the family has a layer of this role
LinearLayer linear_layer(const ModelConfig& config, std::size_t block, LinearRole role);
/// The gate, up or down of one expert. @pre expert < config.num_experts
LinearLayer expert_layer(const ModelConfig& config, std::size_t block, std::size_t expert,
                         LinearRole role);
/// Channels of an input.
std::size_t channels_of(const ModelConfig& config, const InputKey& key);

/// A matrix that steers a mixture of experts and reads what gate and up read, (out_features,
/// hidden_size), without bias. It is never quantized.
struct SteeringLayer {
  std::string name;  ///< "model.layers.3.mlp.gate"; the weight is name + ".weight"
  std::size_t out_features = 0;
};
/// The router (num_experts) and, where there is one, the shared expert's gate (1); none without a
/// mixture.
std::vector<SteeringLayer> steering_layers(const ModelConfig& config, std::size_t block);
bool has_role(const ModelConfig& config, LinearRole role);
/// False: attention.
bool is_in_mlp(LinearRole role);
/// True where a layer of this role has a bias, or config.json of the family can say that it has
/// one: attention_bias for all of attention, mlp_bias for all of the MLP.
bool may_have_bias(const ModelConfig& config, LinearRole role);

/// A norm's tensors; LayerNorm has a bias, RMSNorm has none.
struct NormNames {
  std::string weight;
  std::string bias;  ///< empty where the norm has none
};
NormNames attention_norm(const ModelConfig& config, std::size_t block);  ///< feeds q, k, v
NormNames mlp_norm(const ModelConfig& config, std::size_t block);        ///< feeds gate and up
NormNames final_norm(const ModelConfig& config);                         ///< feeds the head
/// Of each head's q and k (qk_norm).
std::string q_norm_name(const ModelConfig& config, std::size_t block);
std::string k_norm_name(const ModelConfig& config, std::size_t block);

/// (vocab_size, hidden_size)
std::string embedding_name(const ModelConfig& config);
inline constexpr std::string_view kHeadName = "lm_head.weight";
/// Learned positions: (max_positions + kPositionOffset, hidden_size). The first rows stand for
/// padding; position p has row p + kPositionOffset.
/// @pre config.positions == Positions::learned
std::string positions_name(const ModelConfig& config);
inline constexpr std::size_t kPositionOffset = 2;

/// Every tensor name and shape a complete model folder of this config holds (lm_head only when not
/// tied).
struct NamedShape {
  std::string name;
  std::vector<std::size_t> shape;
};
std::vector<NamedShape> expected_tensors(const ModelConfig& config);

}  // namespace tessera::model
