#include "model/model_config.hpp"

#include <string>

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/architecture.hpp"
#include "model/attention_window.hpp"
#include "model/config_fields.hpp"
#include "model/experts_config.hpp"
#include "model/opt_config.hpp"
#include "model/quoted_name.hpp"
#include "model/rope_config.hpp"

namespace tessera::model {
namespace {

// Larger than any model there is; products of two stay far below 2^63.
constexpr std::size_t kMaxWidth = std::size_t{1} << 22;
constexpr std::size_t kMaxBlocks = 10'000;
constexpr std::size_t kMaxHeads = std::size_t{1} << 14;
constexpr std::size_t kMaxHeadDim = std::size_t{1} << 12;
constexpr std::size_t kMaxVocabulary = std::size_t{1} << 26;
constexpr std::size_t kMaxPositions = std::size_t{1} << 31;
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

const Architecture& find_architecture(const ConfigFields& fields) {
  std::string known;
  for (const Architecture& row : architectures())
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  const bool by_class = fields.has("architectures");
  std::string name;
  if (by_class) {
    const JsonValue& list = fields.at("architectures");
    if (!list.is_list() || list.items().size() != 1 || !list.items().front().is_text()) {
      fields.fail("architectures", "is not a list of one name. Name the model's class.");
    }
    name = list.items().front().text();
  } else if (fields.has("model_type")) {
    name = fields.text("model_type");
  } else {
    fields.fail("architectures", fmt::format("is missing (this program knows {})", known));
  }
  for (const Architecture& row : architectures()) {
    if (name == (by_class ? row.name : row.model_type)) return row;
  }
  fields.fail(by_class ? "architectures" : "model_type",
              fmt::format("names {} (this program knows {})", quote_name(name), known));
}

void read_sizes(const ConfigFields& fields, const Architecture& row, ModelConfig& config) {
  config.hidden_size = fields.size("hidden_size", kMaxWidth);
  if (!row.mlp_size_key.empty()) {
    config.intermediate_size = fields.size(row.mlp_size_key, kMaxWidth);
  }
  config.num_blocks = fields.size("num_hidden_layers", kMaxBlocks);
  config.num_heads = fields.size("num_attention_heads", kMaxHeads);
  config.vocab_size = fields.size("vocab_size", kMaxVocabulary);
  config.max_positions =
      fields.size_or("max_position_embeddings", kMaxPositions, row.max_positions);
  // A key that is there as null means "as many as heads" in every family.
  const bool as_heads = row.num_kv_heads == 0 || fields.is_null("num_key_value_heads");
  config.num_kv_heads = fields.size_or("num_key_value_heads", kMaxHeads,
                                       as_heads ? config.num_heads : row.num_kv_heads);
  if (config.num_heads % config.num_kv_heads != 0) {
    fields.fail(
        "num_attention_heads",
        fmt::format("is {}, which num_key_value_heads = {} does not divide (heads share keys and "
                    "values in equal groups)",
                    config.num_heads, config.num_kv_heads));
  }
  if (fields.has("head_dim")) {
    config.head_dim = fields.size("head_dim", kMaxHeadDim);
  } else if (row.head_dim != 0 && !fields.is_null("head_dim")) {
    config.head_dim = row.head_dim;
  } else if (config.hidden_size % config.num_heads == 0) {
    config.head_dim = config.hidden_size / config.num_heads;
  } else {
    fields.fail("hidden_size",
                fmt::format("is {}, which num_attention_heads = {} does not divide, and "
                            "there is no head_dim",
                            config.hidden_size, config.num_heads));
  }
  if (row.positions == Positions::rotary && config.head_dim % 2 != 0) {
    fields.fail(
        "head_dim",
        fmt::format("is {} (an even number is expected: positions rotate pairs)", config.head_dim));
  }
}

bool read_bias(const ConfigFields& fields, const Architecture& row, Architecture::Bias kind,
               std::string_view key) {
  if (kind == Architecture::Bias::by_key) return fields.flag_or(key, false);
  const bool has_bias = kind == Architecture::Bias::always;
  if (fields.flag_or(key, has_bias) != has_bias) {
    fields.fail(key, fmt::format("is {}, but {} has {} biases there", !has_bias, row.name,
                                 has_bias ? "always" : "no"));
  }
  return has_bias;
}

void check_activation(const ConfigFields& fields, const Architecture& row) {
  const std::string known = row.activation == Activation::relu ? "relu" : "silu";
  const std::string activation = fields.text_or(row.activation_key, known);
  if (activation == known || (known == "silu" && activation == "swish")) return;  // one function
  fields.fail(row.activation_key,
              fmt::format("is {} (this program knows {})", quote_name(activation), known));
}

void read_positions(const ConfigFields& fields, const Architecture& row, ModelConfig& config) {
  config.positions = row.positions;
  if (row.positions == Positions::learned) return;
  const RopeConfig rope = read_rope(fields, row.rope_theta);
  config.rope_theta = rope.theta;
  config.rope_scaling = rope.scaling;
}

void read_biases(const ConfigFields& fields, const Architecture& row, ModelConfig& config) {
  config.qkv_bias = read_bias(fields, row, row.qkv_bias, "attention_bias");
  config.o_bias = row.o_bias != Architecture::Bias::never && config.qkv_bias;
  config.mlp_bias = read_bias(fields, row, row.mlp_bias, "mlp_bias");
}

/// Packed models of the formats this program writes are opened through their config; others are no
/// plain weights.
void check_quantization(const ConfigFields& fields) {
  if (!fields.has("quantization_config")) return;
  const std::string method = fields.object("quantization_config").text_or("quant_method", "?");
  if (method == "vptq" || method == "compressed-tensors" || method == "gptq") return;
  fields.fail("quantization_config",
              fmt::format("says the model is already quantized by {} (weights in full "
                          "precision are needed). Name the original model.",
                          quote_name(method)));
}

}  // namespace

ModelConfig parse_model_config(const std::string& json, const std::string& origin) {
  require_input(json.size() <= kMaxConfigBytes,
                fmt::format("{} is {} bytes long (at most {} are expected of a config.json)",
                            origin, json.size(), kMaxConfigBytes));
  const JsonValue document = JsonValue::parse(json, origin);
  const ConfigFields fields(document, origin);
  const Architecture& row = find_architecture(fields);
  ModelConfig config;
  config.architecture = row.name;
  config.json = json;
  check_quantization(fields);
  check_activation(fields, row);
  read_sizes(fields, row, config);
  if (row.model_type == "opt") refuse_opt_variants(fields, config.hidden_size);
  config.activation = row.activation;
  config.norm = row.norm;
  config.norm_epsilon =
      row.norm == NormKind::layer ? 1e-5 : fields.number_or("rms_norm_eps", 0, row.norm_epsilon);
  read_experts(fields, row, config);
  read_positions(fields, row, config);
  config.sliding_window = read_attention_window(fields, row, config.num_blocks);
  config.tied_embeddings = fields.flag_or("tie_word_embeddings", row.tied_embeddings);
  read_biases(fields, row, config);
  config.qk_norm = row.qk_norm;
  return config;
}

void require_positions(const ModelConfig& config, std::size_t length, const std::string& what) {
  if (config.positions == Positions::rotary || length <= config.max_positions) return;
  throw InputError(fmt::format(
      "{} is {} tokens ({} has learned positions for {} and knows no others). Choose at "
      "most {}.",
      what, length, config.architecture, config.max_positions, config.max_positions));
}

ModelConfig read_model_config(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    throw InputError(fmt::format(
        "{} holds no config.json (a Hugging Face model folder is expected)", folder.string()));
  }
  return parse_model_config(read_text_file(file, kMaxConfigBytes), file.string());
}

}  // namespace tessera::model
