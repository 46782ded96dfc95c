#include "format/integer_folder.hpp"

#include <map>
#include <set>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/integer_file_config.hpp"
#include "format/integer_layer_file.hpp"
#include "format/packed_config.hpp"
#include "model/architecture.hpp"
#include "model/quoted_name.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {
namespace {

constexpr std::string_view kWeight = ".weight";

std::map<std::string, model::LinearLayer> all_linear_layers(const model::ModelConfig& config) {
  std::map<std::string, model::LinearLayer> layers;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (model::LinearLayer& layer : model::linear_layers(config, block)) {
      layers.emplace(layer.name, std::move(layer));
    }
  }
  return layers;
}

}  // namespace

struct IntegerFolder::Contents {
  Contents(const std::filesystem::path& folder, const IntegerFileConfig& config,
           const std::map<std::string, model::LinearLayer>& linears)
      : files(folder) {
    find_layers(config, linears);
    check_markers(marker_of(config.layout));
    check_unexpected();
  }

  void find_layers(const IntegerFileConfig& config,
                   const std::map<std::string, model::LinearLayer>& linears);
  void check_markers(std::string_view marker) const;
  void check_unexpected() const;

  /// nullptr when there is none.
  const IntegerLayerFile* find(std::string_view layer) const {
    const auto found = layers.find(layer);
    return found == layers.end() ? nullptr : &found->second;
  }
  /// The layer whose weight @p name is; nullptr when it is no packed layer's weight.
  const IntegerLayerFile* layer_of_weight(std::string_view name) const {
    return name.ends_with(kWeight) ? find(name.substr(0, name.size() - kWeight.size())) : nullptr;
  }
  [[noreturn]] void fail(const std::string& name, const std::string& problem) const {
    throw InputError(fmt::format("{}: {} {}. The folder is damaged; make it again.", files.origin(),
                                 model::quote_name(name), problem));
  }

  model::SafetensorsFolder files;
  std::map<std::string, IntegerLayerFile, std::less<>> layers;
  std::set<std::string, std::less<>>
      parts;  ///< tensors of packed layers, which have no name of their own
};

/// A layer is packed where its tensors say so; config.json must agree.
void IntegerFolder::Contents::find_layers(
    const IntegerFileConfig& config, const std::map<std::string, model::LinearLayer>& linears) {
  for (const auto& [name, linear] : linears) {
    const bool is_left_alone = config.left_alone.contains(name);
    if (!files.contains(name + std::string(marker_of(config.layout)))) {
      if (is_left_alone || config.has_patterns) continue;
      fail(name + std::string(marker_of(config.layout)),
           "is missing (config.json does not say that its layer is left alone)");
    }
    if (is_left_alone) fail(name, "is packed (config.json says that it is left alone)");
    if (!config.scheme_of.empty() && !config.scheme_of.contains(name)) {
      fail(name, "is packed (no group of config.json names it)");
    }
    const auto layer = layers.emplace(name, IntegerLayerFile(files, linear, config)).first;
    for (const std::string& tensor : layer->second.tensors()) parts.insert(tensor);
  }
}

/// Packed layers that no block has, or an output head.
void IntegerFolder::Contents::check_markers(std::string_view marker) const {
  for (const std::string& tensor : files.names()) {
    if (!tensor.ends_with(marker) || parts.contains(tensor)) continue;
    fail(tensor, "belongs to no linear layer of the blocks that config.json describes");
  }
}

/// A tensor beside a packed layer's own that nobody would read is a sign of damage, or of a config
/// that leaves something out.
void IntegerFolder::Contents::check_unexpected() const {
  for (const std::string& tensor : files.names()) {
    if (parts.contains(tensor)) continue;
    for (std::string_view prefix = tensor; prefix.find('.') != prefix.npos;) {
      prefix = prefix.substr(0, prefix.rfind('.'));
      const IntegerLayerFile* layer = find(prefix);
      const bool is_bias = layer != nullptr && tensor == std::string(prefix) + ".bias";
      if (layer == nullptr || (is_bias && layer->has_bias())) continue;
      fail(tensor, is_bias ? "is a bias that config.json does not declare (engines drop it without "
                             "a word)"
                           : "is no tensor of the packed layer that it stands beside");
    }
  }
}

IntegerFolder::IntegerFolder(const std::filesystem::path& folder) {
  const std::string config_file = (folder / "config.json").string();
  const IntegerFileConfig config = read_integer_config(read_config_json(folder), config_file);
  contents_ = std::make_unique<Contents>(folder, config,
                                         all_linear_layers(model::read_model_config(folder)));
}

IntegerFolder::~IntegerFolder() = default;

bool IntegerFolder::contains(std::string_view name) const {
  if (contents_->layer_of_weight(name) != nullptr) return true;
  return !contents_->parts.contains(name) && contents_->files.contains(name);
}

model::TensorInfo IntegerFolder::info(std::string_view name) const {
  if (const IntegerLayerFile* layer = contents_->layer_of_weight(name)) {
    return {DType::f32, {layer->sizes().out_features, layer->sizes().in_features}};
  }
  return contents_->files.info(name);
}

void IntegerFolder::read(std::string_view name, std::span<float> out) const {
  const IntegerLayerFile* file = contents_->layer_of_weight(name);
  if (file == nullptr) return contents_->files.read(name, out);
  const solver::IntegerLayer layer = file->unpack(contents_->files);
  require(out.size() == layer.out_features * layer.in_features, "a place for the whole weight");
  solver::dequantize(layer, {out.data(), layer.out_features, layer.in_features});
}

void IntegerFolder::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  if (contents_->layer_of_weight(name) == nullptr) {
    return contents_->files.read_rows(name, rows, out);
  }
  TensorSource::read_rows(name, rows, out);
}

std::optional<InputQuantization> IntegerFolder::input_quantization(std::string_view layer) const {
  const IntegerLayerFile* file = contents_->find(layer);
  return file == nullptr ? std::nullopt : file->sizes().input;
}

std::string IntegerFolder::origin() const {
  return contents_->files.origin();
}

std::vector<std::string> IntegerFolder::packed_layers() const {
  std::vector<std::string> names;
  for (const auto& [name, layer] : contents_->layers) names.push_back(name);
  return names;
}

solver::IntegerLayer IntegerFolder::packed_layer(std::string_view name) const {
  const IntegerLayerFile* file = contents_->find(name);
  if (file == nullptr) {
    throw InputError(fmt::format("{} has no packed layer {}. Check the layer's name.", origin(),
                                 model::quote_name(name)));
  }
  return file->unpack(contents_->files);
}

}  // namespace tessera::format
