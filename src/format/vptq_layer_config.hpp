#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "format/vptq_sizes.hpp"

// What a reader finds in quantization_config (vptq.md 3.1).
namespace tessera::format {

/// One layer object, checked: sizes the format can hold and that this program can address.
struct VptqLayerConfig {
  solver::VptqLayer sizes;  ///< no arrays; the stored type is not in config.json
  bool has_norm = false;
  bool has_perm = false;
  bool has_bias = false;

  VptqLayerConfig copy() const { return {sizes_of(sizes), has_norm, has_perm, has_bias}; }
};

/// Reads a layer object of config.json. Throws InputError naming @p origin (file and layer), key,
/// value and what is possible; unknown keys are ignored, as transformers does.
VptqLayerConfig read_layer_config(const JsonValue& object, const std::string& origin);

/// "vptq" and the like from quantization_config; empty when there is none.
std::string quant_method_of(const JsonValue& config, const std::string& origin);

/// The layer objects of a whole config.json, and the shared ones by last path component.
struct VptqLayerConfigs {
  std::map<std::string, VptqLayerConfig, std::less<>> layers;
  std::map<std::string, VptqLayerConfig, std::less<>> shared;

  /// The object for @p layer; nullptr when there is none.
  const VptqLayerConfig* find(std::string_view layer) const;
};
VptqLayerConfigs read_layer_configs(const JsonValue& config, const std::string& origin);

}  // namespace tessera::format
