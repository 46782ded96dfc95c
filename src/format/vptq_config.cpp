#include "format/vptq_config.hpp"

#include "core/json_value.hpp"
#include "format/packed_config.hpp"
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

JsonValue quantization_config(const model::ModelConfig& original, const LayerSizes& sizes_of_layers,
                              Permutation permutation) {
  PackedShapes shapes;
  for (const auto& [name, sizes] : sizes_of_layers) {
    shapes[name] = {sizes.out_features, sizes.in_features};
  }
  JsonValue not_converted = JsonValue::list().append("lm_head");
  for (const std::string& name : layers_left_alone(original, shapes)) not_converted.append(name);
  JsonValue layers = JsonValue::object();
  for (std::size_t block = 0; block < original.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(original, block)) {
      const auto sizes = sizes_of_layers.find(layer.name);
      if (sizes == sizes_of_layers.end()) continue;
      layers.set(layer.name, layer_object(sizes->second, layer.has_bias, permutation));
    }
  }
  return JsonValue::object()
      .set("quant_method", "vptq")
      .set("config_for_layers", std::move(layers))
      .set("modules_to_not_convert", std::move(not_converted));
}

}  // namespace

std::string vptq_config_json(const model::ModelConfig& original, const LayerSizes& sizes_of_layers,
                             StoredType stored_type, Permutation permutation) {
  JsonValue config = config_of_packed(original, stored_type);
  config.set("quantization_config", quantization_config(original, sizes_of_layers, permutation));
  return config.to_text(2) + "\n";
}

}  // namespace tessera::format
