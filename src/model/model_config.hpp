#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace tessera::model {

/// RMSNorm has a weight; LayerNorm subtracts the mean first and has a bias too.
enum class NormKind { rms, layer };
/// Between an MLP's layers: down(silu(gate(x)) * up(x)), or down(relu(up(x))).
enum class Activation { gated_silu, relu };
/// Rotations of q and k, or a table that is added to the embeddings.
enum class Positions { rotary, learned };

/// How rotary positions are stretched (config.json: rope_scaling).
struct RopeScaling {
  enum class Kind { none, linear, llama3 } kind = Kind::none;
  double factor = 1;
  double low_freq_factor = 1;            ///< llama3
  double high_freq_factor = 4;           ///< llama3
  double original_max_positions = 8192;  ///< llama3
};

/// What the program needs of a Hugging Face config.json.
struct ModelConfig {
  std::string architecture;  ///< "LlamaForCausalLM", ...: a row of the architecture table
  std::size_t hidden_size = 0;
  std::size_t intermediate_size = 0;  ///< of the MLP that every token passes; 0: there is none
  std::size_t num_blocks = 0;
  std::size_t num_heads = 0;
  std::size_t num_kv_heads = 0;
  std::size_t head_dim = 0;
  std::size_t vocab_size = 0;
  std::size_t max_positions = 0;  ///< learned: no sequence is longer
  NormKind norm = NormKind::rms;
  Activation activation = Activation::gated_silu;
  Positions positions = Positions::rotary;
  double norm_epsilon = 1e-5;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  std::optional<std::size_t> sliding_window;  ///< tokens a position sees, itself included
  bool tied_embeddings = false;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  std::size_t num_experts = 0;             ///< of a block's mixture; 0: a plain MLP
  std::size_t experts_per_token = 0;       ///< at most num_experts
  std::size_t expert_size = 0;             ///< what intermediate_size is, of each expert
  bool normalizes_expert_weights = false;  ///< a token's weights of its experts sum to 1
  bool qk_norm = false;  ///< RMSNorm of each head's q and k before the rotation (Qwen3)
  std::string json;      ///< the whole file, for writers that extend it

  std::size_t q_size() const { return num_heads * head_dim; }
  std::size_t kv_size() const { return num_kv_heads * head_dim; }
};

/// Reads and checks <folder>/config.json. Throws InputError with file, key, value and what is
/// possible: unknown architecture, missing or impossible sizes, a variant of the family that is not
/// computed here, a window that only some blocks have, a model that is already quantized (unless by
/// a method whose weights format/ opens: "vptq", "compressed-tensors", "gptq"). Keys the config
/// leaves out get the default of the family's class in transformers. torch_dtype is ignored: files
/// say what they hold.
ModelConfig read_model_config(const std::filesystem::path& folder);

/// The same from text; @p origin names it in messages.
ModelConfig parse_model_config(const std::string& json, const std::string& origin);

/// Throws InputError when positions are learned and a sequence of @p length tokens has more of them
/// than the model. @p what names the length: "calibration.max_seq_length".
void require_positions(const ModelConfig& config, std::size_t length, const std::string& what);

}  // namespace tessera::model
