#include "format/packed_config.hpp"

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "model/architecture.hpp"
#include "model/config_fields.hpp"

namespace tessera::format {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20;

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

void check_shape(const model::LinearLayer& layer, std::uint64_t out_features,
                 std::uint64_t in_features) {
  if (layer.out_features == out_features && layer.in_features == in_features) return;
  throw InputError(fmt::format(
      "{} is packed as [{}, {}] (the model has [{}, {}]). Was it made from another model?",
      layer.name, out_features, in_features, layer.out_features, layer.in_features));
}

}  // namespace

JsonValue read_config_json(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  return JsonValue::parse(read_text_file(file, kMaxConfigBytes), file.string());
}

JsonValue config_of_packed(const model::ModelConfig& original, StoredType stored_type) {
  JsonValue config = JsonValue::object();
  const JsonValue read = JsonValue::parse(original.json, "the original model's config.json");
  for (const auto& [key, value] : read.entries()) {
    if (key != "dtype" && key != "torch_dtype") config.set(key, value);
  }
  config.set("torch_dtype", torch_name(stored_type));
  return config;
}

std::vector<std::string> layers_left_alone(const model::ModelConfig& original,
                                           const PackedShapes& packed) {
  std::vector<std::string> names;
  PackedShapes unknown = packed;
  for (std::size_t block = 0; block < original.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(original, block)) {
      const auto found = packed.find(layer.name);
      if (found == packed.end()) {
        names.push_back(layer.name);
        continue;
      }
      check_shape(layer, found->second[0], found->second[1]);
      unknown.erase(layer.name);
    }
    for (const auto& layer : model::steering_layers(original, block)) names.push_back(layer.name);
  }
  if (unknown.empty()) return names;
  throw InputError(
      fmt::format("{} is to be packed (the model's blocks have no such linear layer). Check "
                  "the layer's name.",
                  unknown.begin()->first));
}

}  // namespace tessera::format
