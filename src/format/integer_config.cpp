#include "format/integer_config.hpp"

#include <set>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/integer_schemes.hpp"
#include "format/packed_config.hpp"
#include "model/architecture.hpp"

namespace tessera::format {
namespace {

using Names = std::vector<std::string>;

/// The release of compressed-tensors whose layout is written. Before 0.18, 3-bit codes were padded;
/// nothing else tells the two apart.
constexpr const char* kCompressedTensorsVersion = "0.18.0";

JsonValue list_of(const Names& names) {
  JsonValue list = JsonValue::list();
  for (const std::string& name : names) list.append(name);
  return list;
}

PackedShapes shapes_of(const IntegerSizes& sizes) {
  PackedShapes shapes;
  for (const auto& [name, layer] : sizes) shapes[name] = {layer.out_features, layer.in_features};
  return shapes;
}

/// Without the keys that only newer releases know (scale_dtype, zp_dtype): others refuse the file.
JsonValue arguments(std::uint64_t bits, bool is_symmetric, const char* strategy,
                    std::uint64_t group_size, bool is_dynamic) {
  return JsonValue::object()
      .set("num_bits", bits)
      .set("type", "int")
      .set("symmetric", is_symmetric)
      .set("strategy", strategy)
      .set("group_size", group_size == 0 ? JsonValue() : JsonValue(group_size))
      .set("dynamic", is_dynamic)
      .set("actorder", JsonValue())
      .set("block_structure", JsonValue())
      .set("observer", JsonValue())
      .set("observer_kwargs", JsonValue::object());
}

JsonValue input_arguments(const IntegerScheme& scheme) {
  if (!scheme.input) return {};
  const bool is_dynamic = scheme.input->is_dynamic;
  return arguments(8, scheme.input_is_symmetric, is_dynamic ? "token" : "tensor", 0, is_dynamic);
}

const char* layout_of(const IntegerScheme& scheme) {
  return scheme.input ? "int-quantized" : "pack-quantized";
}

/// @param targets names of layers, or the class of all
JsonValue config_group(const IntegerScheme& scheme, JsonValue targets) {
  const char* strategy = scheme.group_size == 0 ? "channel" : "group";
  JsonValue group = JsonValue::object();
  group.set("targets", std::move(targets))
      .set("weights",
           arguments(scheme.bits, scheme.is_symmetric, strategy, scheme.group_size, false))
      .set("input_activations", input_arguments(scheme))
      .set("output_activations", JsonValue())
      .set("format", layout_of(scheme));
  return group;
}

JsonValue config_groups(const std::vector<SchemeGroup>& groups) {
  JsonValue object = JsonValue::object();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    JsonValue targets =
        groups.size() == 1 ? JsonValue::list().append("Linear") : list_of(groups[g].layers);
    object.set(fmt::format("group_{}", g), config_group(groups[g].scheme, std::move(targets)));
  }
  return object;
}

JsonValue compressed_tensors_config(const std::vector<SchemeGroup>& groups,
                                    const Names& left_alone) {
  const char* format = layout_of(groups.front().scheme);
  JsonValue ignore = JsonValue::list().append("lm_head");
  for (const std::string& name : left_alone) ignore.append(name);
  return JsonValue::object()
      .set("quant_method", "compressed-tensors")
      .set("format", format)
      .set("quantization_status", "compressed")
      .set("version", kCompressedTensorsVersion)
      .set("config_groups", config_groups(groups))
      .set("ignore", std::move(ignore))
      .set("kv_cache_scheme", JsonValue())
      .set("global_compression_ratio", JsonValue())
      .set("sparsity_config", JsonValue::object())
      .set("transform_config", JsonValue::object());
}

/// "-:" and a regular expression that matches @p name alone: not quantized.
std::string exclusion(const std::string& name) {
  std::string pattern = "-:^";
  for (const char c : name) pattern += c == '.' ? std::string("\\.") : std::string(1, c);
  return pattern + "$";
}

/// The modules packed in every block, or all layers' names where blocks differ: for readers that
/// know of no exclusions (optimum).
Names packed_modules(const model::ModelConfig& original, const IntegerSizes& sizes) {
  Names all, of_first;
  bool blocks_differ = false;
  for (std::size_t block = 0; block < original.num_blocks; ++block) {
    Names modules;
    for (const model::LinearLayer& layer : model::linear_layers(original, block)) {
      if (!sizes.contains(layer.name)) continue;
      modules.push_back(layer.module);
      all.push_back(layer.name);
    }
    if (block == 0) of_first = modules;
    blocks_differ = blocks_differ || modules != of_first;
  }
  return blocks_differ ? all : of_first;
}

JsonValue gptq_config(const model::ModelConfig& original, const IntegerSizes& sizes,
                      const IntegerScheme& scheme, const Names& left_alone) {
  const bool is_v2 = stores_whole_zero_points(scheme.bits, scheme.is_symmetric);
  JsonValue config = JsonValue::object();
  config.set("quant_method", "gptq")
      .set("bits", scheme.bits)
      .set("group_size", scheme.group_size == 0 ? JsonValue(-1) : JsonValue(scheme.group_size))
      .set("desc_act", false)
      .set("sym", scheme.is_symmetric)
      .set("lm_head", false)
      .set("checkpoint_format", is_v2 ? "gptq_v2" : "gptq")
      .set("pack_dtype", "int32");
  if (left_alone.empty()) return config;
  JsonValue exclusions = JsonValue::object();
  for (const std::string& name : left_alone) {
    exclusions.set(exclusion(name), JsonValue::object());
  }
  return config.set("dynamic", std::move(exclusions))
      .set("modules_in_block_to_quantize",
           JsonValue::list().append(list_of(packed_modules(original, sizes))));
}

JsonValue quantization_config(const model::ModelConfig& original, const IntegerSizes& sizes,
                              IntegerFormat format) {
  const std::vector<SchemeGroup> groups = schemes_of(sizes, format);
  const Names left_alone = layers_left_alone(original, shapes_of(sizes));
  return format == IntegerFormat::gptq
             ? gptq_config(original, sizes, groups.front().scheme, left_alone)
             : compressed_tensors_config(groups, left_alone);
}

/// Reads the finished text as an engine would: every bias must be one that it knows of.
void check_biases(const std::string& text, const IntegerSizes& sizes, DeclaredBiases biases) {
  const auto config = model::parse_model_config(text, "config.json of the packed model");
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
      const auto found = sizes.find(layer.name);
      const bool is_mlp = layer.module.starts_with("mlp.");
      const bool wanted = (is_mlp ? biases.mlp : biases.attention) ||
                          (found != sizes.end() && found->second.has_bias);
      if (!wanted || layer.has_bias) continue;
      throw InputError(fmt::format(
          "{} has a bias that config.json of a {} does not declare (engines drop such a "
          "bias without a word). Quantize this model without bias correction.",
          layer.name, config.architecture));
    }
  }
}

}  // namespace

std::string integer_config_json(const model::ModelConfig& original, const IntegerSizes& sizes,
                                StoredType stored_type, IntegerFormat format,
                                DeclaredBiases biases) {
  JsonValue config = config_of_packed(original, stored_type);
  if (biases.attention) config.set("attention_bias", true);
  if (biases.mlp) config.set("mlp_bias", true);
  config.set("quantization_config", quantization_config(original, sizes, format));
  if (const auto& [name, layer] = *sizes.begin(); layer.scale_type != stored_type) {
    throw InputError(
        fmt::format("{} has scales of {} in a model of {} (engines expect one type). "
                    "Choose output.dtype to be that of the scales.",
                    name, name_of(dtype_of(layer.scale_type)), name_of(dtype_of(stored_type))));
  }
  std::string text = config.to_text(2) + "\n";
  check_biases(text, sizes, biases);
  return text;
}

std::string gptq_quantize_config_json(const model::ModelConfig& original,
                                      const IntegerSizes& sizes) {
  return quantization_config(original, sizes, IntegerFormat::gptq).to_text(2) + "\n";
}

}  // namespace tessera::format
