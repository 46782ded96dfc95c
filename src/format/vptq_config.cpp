#include "format/vptq_config.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "model/architecture.hpp"

namespace tessera::format {
namespace {

JsonValue pair(std::int64_t outlier, std::int64_t main) {
  return JsonValue::list().append(outlier).append(main);
}

std::int64_t or_none(std::uint64_t n) {
  return n == 0 ? -1 : static_cast<std::int64_t>(n);
}

JsonValue layer_object(const solver::VptqLayer& s, bool has_bias, Permutation permutation) {
  const bool has_outliers = s.outlier_size > 0;
  JsonValue layer = JsonValue::object();
  layer.set("in_features", s.in_features)
      .set("out_features", s.out_features)
      .set("vector_lens", pair(has_outliers ? or_none(s.outlier_vector_len) : -1,
                               static_cast<std::int64_t>(s.vector_len)))
      .set("num_centroids", pair(has_outliers ? or_none(s.num_outlier_centroids) : -1,
                                 static_cast<std::int64_t>(s.num_centroids)))
      .set("num_res_centroids", pair(-1, or_none(s.num_res_centroids)))
      .set("group_num", s.num_groups)
      .set("group_size", s.group_size)
      .set("outlier_size", s.outlier_size)
      .set("indices_as_float", false)
      .set("enable_norm", true)
      .set("enable_perm", writes_permutation(s, permutation))
      .set("is_indice_packed", true)
      .set("bias", has_bias);
  return layer;
}

void check_shape(const model::LinearLayer& layer, const solver::VptqLayer& sizes) {
  if (layer.out_features == sizes.out_features && layer.in_features == sizes.in_features) return;
  throw InputError(fmt::format(
      "{} is packed as [{}, {}] (the model has [{}, {}]). Was it made from another model?",
      layer.name, sizes.out_features, sizes.in_features, layer.out_features, layer.in_features));
}

JsonValue quantization_config(const model::ModelConfig& original, const LayerSizes& sizes_of_layers,
                              Permutation permutation) {
  LayerSizes::size_type num_found = 0;
  JsonValue layers = JsonValue::object();
  JsonValue not_converted = JsonValue::list().append("lm_head");
  for (std::size_t block = 0; block < original.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(original, block)) {
      const auto sizes = sizes_of_layers.find(layer.name);
      if (sizes == sizes_of_layers.end()) {
        not_converted.append(layer.name);
        continue;
      }
      check_shape(layer, sizes->second);
      layers.set(layer.name, layer_object(sizes->second, layer.has_bias, permutation));
      ++num_found;
    }
  }
  if (num_found != sizes_of_layers.size()) {
    for (const auto& [name, sizes] : sizes_of_layers) {
      if (layers.contains(name)) continue;
      throw InputError(
          fmt::format("{} is to be packed (the model's blocks have no such linear layer). Check "
                      "the layer's name.",
                      name));
    }
  }
  return JsonValue::object()
      .set("quant_method", "vptq")
      .set("config_for_layers", std::move(layers))
      .set("modules_to_not_convert", std::move(not_converted));
}

std::string_view torch_name(StoredType type) {
  switch (type) {
    case StoredType::float16:
      return "float16";
    case StoredType::bfloat16:
      return "bfloat16";
    case StoredType::float32:
      return "float32";
  }
  throw Bug("a StoredType without a name");
}

}  // namespace

std::string vptq_config_json(const model::ModelConfig& original, const LayerSizes& sizes_of_layers,
                             StoredType stored_type, Permutation permutation) {
  JsonValue config = JsonValue::object();
  const JsonValue read = JsonValue::parse(original.json, "the original model's config.json");
  for (const auto& [key, value] : read.entries()) {
    // Newer transformers call torch_dtype dtype; vptq's own loader knows the old name only.
    if (key != "dtype" && key != "torch_dtype") config.set(key, value);
  }
  config.set("torch_dtype", torch_name(stored_type));
  config.set("quantization_config", quantization_config(original, sizes_of_layers, permutation));
  return config.to_text(2) + "\n";
}

}  // namespace tessera::format
