#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_config.hpp"

namespace tessera::model {

/// A row of the architecture table: how one model family differs from the others. All of them are
/// pre-norm blocks of rotary attention with grouped heads and a gated SiLU product, with the same
/// tensor names. The defaults are those of the family's configuration class in transformers.
struct Architecture {
  enum class Bias { never, always, by_key };         ///< by_key: config.json decides, default false
  enum class Window { never, by_value, by_switch };  ///< sliding_window; with use_sliding_window

  std::string_view name;        ///< in config.json's architectures
  std::string_view model_type;  ///< the same family's short name
  Bias qkv_bias = Bias::never;  ///< key attention_bias
  Bias o_bias = Bias::never;    ///< key attention_bias
  Bias mlp_bias = Bias::never;  ///< key mlp_bias
  bool qk_norm = false;
  Window window = Window::never;
  bool tied_embeddings = false;  ///< when config.json is silent, like the rest
  std::size_t head_dim = 0;      ///< 0: hidden_size / num_attention_heads
  std::size_t num_kv_heads = 0;  ///< 0: num_attention_heads
  std::size_t max_positions = 0;
};

/// The table, in alphabetical order.
std::span<const Architecture> architectures();

/// A linear layer's place in its block.
enum class LinearRole { q, k, v, o, gate, up, down };
inline constexpr std::size_t kNumLinearRoles = 7;

/// What a linear layer reads. Layers that read the same input share one set of statistics.
enum class InputRole { attention_input, attention_output, mlp_input, mlp_hidden };
inline constexpr std::size_t kNumInputRoles = 4;

std::string_view name_of(InputRole role);  ///< "attention_input", ...
InputRole input_of(LinearRole role);

/// One weight matrix of a transformer block that can be quantized.
struct LinearLayer {
  std::size_t block = 0;
  LinearRole role = LinearRole::q;
  std::string name;    ///< "model.layers.3.self_attn.q_proj"; the weight is name + ".weight"
  std::string module;  ///< "self_attn.q_proj"
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  bool has_bias = false;

  InputRole input() const { return input_of(role); }
};

/// All linear layers of a block, in the order q, k, v, o, gate, up, down.
std::vector<LinearLayer> linear_layers(const ModelConfig& config, std::size_t block);
LinearLayer linear_layer(const ModelConfig& config, std::size_t block, LinearRole role);

/// Tensor names outside the linear layers.
std::string input_norm_name(std::size_t block);           ///< model.layers.N.input_layernorm.weight
std::string post_attention_norm_name(std::size_t block);  ///< ... .post_attention_layernorm.weight
std::string q_norm_name(std::size_t block);  ///< ... .self_attn.q_norm.weight (qk_norm)
std::string k_norm_name(std::size_t block);
inline constexpr std::string_view kEmbeddingName = "model.embed_tokens.weight";
inline constexpr std::string_view kFinalNormName = "model.norm.weight";
inline constexpr std::string_view kHeadName = "lm_head.weight";

/// Every tensor name and shape a complete model folder of this config holds (lm_head only when not
/// tied).
struct NamedShape {
  std::string name;
  std::vector<std::size_t> shape;
};
std::vector<NamedShape> expected_tensors(const ModelConfig& config);

}  // namespace tessera::model
