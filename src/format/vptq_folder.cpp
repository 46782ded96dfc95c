#include "format/vptq_folder.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/packed_config.hpp"
#include "format/packed_layer_file.hpp"
#include "format/vptq_layer_config.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kIndices = ".indices";

}  // namespace

struct VptqFolder::Contents {
  explicit Contents(const std::filesystem::path& folder) : files(folder) {}

  model::SafetensorsFolder files;
  std::map<std::string, PackedLayerFile, std::less<>> layers;
  std::set<std::string, std::less<>>
      parts;  ///< tensors of packed layers, which have no name of their own

  /// The layer whose weight @p name is; nullptr when it is no packed layer's weight.
  const PackedLayerFile* layer_of_weight(std::string_view name) const {
    if (!name.ends_with(kWeight)) return nullptr;
    const auto found = layers.find(name.substr(0, name.size() - kWeight.size()));
    return found == layers.end() ? nullptr : &found->second;
  }
  void find_layers(const VptqLayerConfigs& configs, const std::string& config_file);
  void check_unexpected() const;
};

/// A layer is packed where it has indices or where the config says so; both must agree.
void VptqFolder::Contents::find_layers(const VptqLayerConfigs& configs,
                                       const std::string& config_file) {
  std::set<std::string> names;
  for (const auto& [name, config] : configs.layers) names.insert(name);
  for (const std::string& tensor : files.names()) {
    if (!tensor.ends_with(kIndices)) continue;
    names.insert(tensor.substr(0, tensor.size() - kIndices.size()));
  }
  for (const std::string& name : names) {
    const VptqLayerConfig* config = configs.find(name);
    if (config == nullptr) {
      throw InputError(
          fmt::format("{}: packed layer {} has no layer object in {}. The folder is "
                      "damaged.",
                      files.origin(), model::quote_name(name), config_file));
    }
    const auto layer = layers.emplace(name, PackedLayerFile(files, name, *config)).first;
    for (const std::string& tensor : layer->second.tensors()) parts.insert(tensor);
  }
}

/// A tensor beside a packed layer's own that nobody would read is a sign of damage, or of a config
/// that leaves something out (a bias would be silently dropped).
void VptqFolder::Contents::check_unexpected() const {
  for (const std::string& tensor : files.names()) {
    if (parts.contains(tensor)) continue;
    for (std::string_view prefix = tensor; prefix.find('.') != prefix.npos;) {
      prefix = prefix.substr(0, prefix.rfind('.'));
      const auto layer = layers.find(prefix);
      if (layer == layers.end() || (layer->second.has_bias() && tensor == layer->first + ".bias")) {
        continue;
      }
      throw InputError(
          fmt::format("{}: tensor {} belongs to packed layer {}, whose layer object in "
                      "config.json has no place for it. The folder is damaged.",
                      files.origin(), model::quote_name(tensor), model::quote_name(layer->first)));
    }
  }
}

VptqFolder::VptqFolder(const std::filesystem::path& folder) {
  const std::string config_file = (folder / "config.json").string();
  const JsonValue config = read_config_json(folder);
  const std::string method = quant_method_of(config, config_file);
  if (method != "vptq") {
    throw InputError(
        fmt::format("{}: quant_method is {} (a packed VPTQ model has 'vptq'). Name "
                    "the folder of a packed model.",
                    config_file, model::quote_name(method)));
  }
  const VptqLayerConfigs configs = read_layer_configs(config, config_file);
  contents_ = std::make_unique<Contents>(folder);
  contents_->find_layers(configs, config_file);
  contents_->check_unexpected();
}

VptqFolder::~VptqFolder() = default;

bool VptqFolder::contains(std::string_view name) const {
  if (contents_->layer_of_weight(name) != nullptr) return true;
  return !contents_->parts.contains(name) && contents_->files.contains(name);
}

model::TensorInfo VptqFolder::info(std::string_view name) const {
  if (const PackedLayerFile* layer = contents_->layer_of_weight(name)) {
    return {DType::f32, {layer->sizes().out_features, layer->sizes().in_features}};
  }
  return contents_->files.info(name);
}

void VptqFolder::read(std::string_view name, std::span<float> out) const {
  const PackedLayerFile* file = contents_->layer_of_weight(name);
  if (file == nullptr) return contents_->files.read(name, out);
  const solver::VptqLayer layer = file->unpack(contents_->files);
  require(out.size() == layer.out_features * layer.in_features, "a place for the whole weight");
  dequantize(layer, MatrixView<float>(out.data(), layer.out_features, layer.in_features));
}

void VptqFolder::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  if (contents_->layer_of_weight(name) == nullptr) {
    return contents_->files.read_rows(name, rows, out);
  }
  TensorSource::read_rows(name, rows, out);
}

std::string VptqFolder::origin() const {
  return contents_->files.origin();
}

std::vector<std::string> VptqFolder::packed_layers() const {
  std::vector<std::string> names;
  for (const auto& [name, layer] : contents_->layers) names.push_back(name);
  return names;
}

solver::VptqLayer VptqFolder::packed_layer(std::string_view name) const {
  const auto found = contents_->layers.find(name);
  if (found == contents_->layers.end()) {
    throw InputError(fmt::format("{} has no packed layer {}. Check the layer's name.", origin(),
                                 model::quote_name(name)));
  }
  return found->second.unpack(contents_->files);
}

}  // namespace tessera::format
