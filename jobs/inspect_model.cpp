#include <cstdint>
#include <map>
#include <string>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/integer_folder.hpp"
#include "format/residual_file.hpp"
#include "format/vptq_folder.hpp"
#include "format/vptq_layer_config.hpp"
#include "jobs/inspect.hpp"
#include "model/model_config.hpp"
#include "model/safetensors_file.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

std::uint64_t bytes_of(const model::TensorInfo& info) {
  return std::uint64_t{info.count()} * size_of(info.dtype);
}

JsonValue tensor_row(const std::string& name, const model::TensorInfo& info) {
  JsonValue shape = JsonValue::list();
  for (const std::size_t size : info.shape) shape.append(size);
  return JsonValue::object()
      .set("name", name)
      .set("dtype", name_of(info.dtype))
      .set("shape", std::move(shape))
      .set("bytes", bytes_of(info));
}

JsonValue config_facts(const model::ModelConfig& c) {
  JsonValue facts = JsonValue::object();
  facts.set("architecture", c.architecture)
      .set("blocks", c.num_blocks)
      .set("hidden_size", c.hidden_size)
      .set("intermediate_size", c.intermediate_size)
      .set("heads", c.num_heads)
      .set("kv_heads", c.num_kv_heads)
      .set("head_dim", c.head_dim)
      .set("vocabulary", c.vocab_size)
      .set("tied_embeddings", c.tied_embeddings);
  if (c.num_experts > 0) {
    facts.set("experts", c.num_experts)
        .set("experts_per_token", c.experts_per_token)
        .set("expert_size", c.expert_size);
  }
  return facts;
}

/// Bytes of the tensors a packed layer is stored in: all below its name but the bias it always had.
std::uint64_t packed_bytes(const std::map<std::string, std::uint64_t>& bytes_of_tensor,
                           const std::string& layer) {
  std::uint64_t sum = 0;
  const std::string prefix = layer + ".";
  for (auto it = bytes_of_tensor.lower_bound(prefix);
       it != bytes_of_tensor.end() && it->first.starts_with(prefix); ++it) {
    if (it->first != prefix + "bias") sum += it->second;
  }
  return sum;
}

/// What a layer of integers is made of.
JsonValue integer_row(const std::string& name, const solver::IntegerLayer& layer) {
  return JsonValue::object()
      .set("name", name)
      .set("out_features", layer.out_features)
      .set("in_features", layer.in_features)
      .set("bits", layer.bits)
      .set("group_size", layer.group_size)
      .set("symmetric", layer.is_symmetric)
      .set("quantizes_input", layer.input.has_value())
      .set("has_bias", layer.has_bias)
      .set("bits_per_weight", static_cast<double>(solver::stored_bits(layer)) /
                                  static_cast<double>(layer.out_features * layer.in_features));
}

void add_integer_layers(JsonValue& document, const fs::path& folder) {
  const format::IntegerFolder packed(folder);
  JsonValue layers = JsonValue::list();
  double bits = 0, weights = 0;
  for (const std::string& name : packed.packed_layers()) {
    const solver::IntegerLayer layer = packed.packed_layer(name);
    bits += static_cast<double>(solver::stored_bits(layer));
    weights += static_cast<double>(layer.out_features) * static_cast<double>(layer.in_features);
    layers.append(integer_row(name, layer));
  }
  document.set("bits_per_weight", bits / weights);
  document.set("packed_layers", layers.items().size());
  document.set("layers", std::move(layers));
}

/// The table of packed layers, and the bits a weight of all of them.
void add_packed_layers(JsonValue& document, const fs::path& folder,
                       const model::ModelConfig& config,
                       const std::map<std::string, std::uint64_t>& bytes_of_tensor) {
  const format::VptqFolder packed(folder);
  const std::string origin = (folder / "config.json").string();
  const auto configs = format::read_layer_configs(JsonValue::parse(config.json, origin), origin);
  JsonValue layers = JsonValue::list();
  double bits = 0, weights = 0;
  for (const std::string& name : packed.packed_layers()) {
    const auto* layer = configs.find(name);
    require(layer != nullptr, "a packed layer has a layer object");
    const solver::VptqLayer& sizes = layer->sizes;
    const double layer_bits = 8.0 * static_cast<double>(packed_bytes(bytes_of_tensor, name));
    const double layer_weights =
        static_cast<double>(sizes.out_features) * static_cast<double>(sizes.in_features);
    bits += layer_bits;
    weights += layer_weights;
    layers.append(JsonValue::object()
                      .set("name", name)
                      .set("out_features", sizes.out_features)
                      .set("in_features", sizes.in_features)
                      .set("vector_len", sizes.vector_len)
                      .set("num_centroids", sizes.num_centroids)
                      .set("num_res_centroids", sizes.num_res_centroids)
                      .set("num_groups", sizes.num_groups)
                      .set("outlier_columns", sizes.outlier_size)
                      .set("bits_per_weight", layer_bits / layer_weights));
  }
  document.set("bits_per_weight", bits / weights);
  document.set("packed_layers", layers.items().size());
  document.set("layers", std::move(layers));
}

}  // namespace

JsonValue inspect_safetensors_file(const fs::path& path) {
  const model::SafetensorsFile file(path);
  JsonValue document = JsonValue::object();
  document.set("kind", "safetensors file");
  JsonValue tensors = JsonValue::list();
  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : file.entries()) {
    tensors.append(tensor_row(name, entry.info));
    bytes += entry.bytes;
  }
  document.set("bytes", bytes);
  JsonValue metadata = JsonValue::object();
  for (const auto& [key, value] : file.metadata()) metadata.set(key, value);
  document.set("metadata", std::move(metadata));
  return document.set("tensors", std::move(tensors));
}

JsonValue inspect_model_folder(const fs::path& folder) {
  const model::ModelConfig config = model::read_model_config(folder);
  const model::SafetensorsFolder weights(folder);
  const std::string origin = (folder / "config.json").string();
  const std::string method = format::quant_method_of(JsonValue::parse(config.json, origin), origin);
  const bool is_packed = !method.empty();

  JsonValue tensors = JsonValue::list();
  std::map<std::string, std::uint64_t> bytes_of_tensor;
  std::uint64_t bytes = 0;
  for (const std::string& name : weights.names()) {
    const model::TensorInfo info = weights.info(name);
    tensors.append(tensor_row(name, info));
    bytes += bytes_of_tensor[name] = bytes_of(info);
  }
  JsonValue document = JsonValue::object();
  document.set("kind", is_packed ? "packed model" : "model");
  document.set("bytes", bytes).set("files", weights.files().size());
  document.set("config", config_facts(config));
  if (method == "vptq") {
    add_packed_layers(document, folder, config, bytes_of_tensor);
  } else if (is_packed) {
    add_integer_layers(document, folder);
  }
  if (format::holds_residuals(folder)) {
    const JsonValue found = inspect_residuals(folder);
    for (const char* key : {"residual", "residuals"}) document.set(key, found.at(key));
  }
  return document.set("tensors", std::move(tensors));
}

}  // namespace tessera::jobs
