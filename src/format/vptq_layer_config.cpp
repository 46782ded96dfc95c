#include "format/vptq_layer_config.hpp"

#include <array>
#include <bit>
#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

// What keeps every product of two sizes below 2^63 and every array in proportion to the file that
// holds it.
constexpr std::int64_t kMaxFeatures = std::int64_t{1} << 24;
constexpr std::int64_t kMaxVectorLen = 64;
constexpr std::int64_t kMaxCentroids = 65536;  // indices and perm have 16 bits

/// Reads the keys of one object; what it throws begins with where the object stands.
class Keys {
 public:
  Keys(const JsonValue& object, std::string origin) : object_(object), origin_(std::move(origin)) {
    if (!object.is_object()) fail("is no object");
  }

  const JsonValue& at(const char* key) const {
    if (!object_.contains(key)) fail(fmt::format("has no key {}", key));
    return object_.at(key);
  }
  std::uint64_t integer(const char* key, std::int64_t low, std::int64_t high) const {
    return static_cast<std::uint64_t>(checked(key, at(key), low, high));
  }
  bool boolean(const char* key) const {
    try {
      return at(key).boolean();
    } catch (const InputError&) {
      fail(fmt::format("{} is {} (it must be true or false)", key, shown(at(key))));
    }
  }
  bool expect(const char* key, bool wanted) const {
    if (boolean(key) == wanted) return wanted;
    fail(fmt::format("{} is {} (only {} can be read)", key, !wanted, wanted));
  }
  /// [for outliers, for the rest]; -1 means none.
  std::array<std::int64_t, 2> pair(const char* key, std::int64_t high) const {
    const JsonValue& list = at(key);
    if (!list.is_list() || list.items().size() != 2) {
      fail(fmt::format("{} is {} (it must be a list of two numbers)", key, shown(list)));
    }
    return {checked(key, list.items()[0], -1, high), checked(key, list.items()[1], -1, high)};
  }
  [[noreturn]] void fail(const std::string& problem) const {
    throw InputError(
        fmt::format("{} {}. The folder is no packed model this program can read, or is "
                    "damaged.",
                    origin_, problem));
  }

 private:
  static std::string shown(const JsonValue& value) {
    std::string text = value.to_text();
    if (text.size() > 60) text = text.substr(0, 60) + "...";
    return text;
  }
  std::int64_t checked(const char* key, const JsonValue& value, std::int64_t low,
                       std::int64_t high) const {
    std::int64_t number = 0;
    try {
      number = value.integer();
    } catch (const InputError&) {
      fail(fmt::format("{} holds {} (it must be a whole number)", key, shown(value)));
    }
    if (number < low || number > high) {
      fail(fmt::format("{} holds {} (it must be between {} and {})", key, number, low, high));
    }
    return number;
  }

  const JsonValue& object_;
  std::string origin_;
};

std::uint64_t codebook_size(const Keys& keys, const char* key, std::int64_t value,
                            bool may_be_none) {
  if (may_be_none && value <= 0) return 0;
  if (value < 2 || !std::has_single_bit(static_cast<std::uint64_t>(value))) {
    keys.fail(fmt::format("{} holds {} (it must be a power of two from 2 to {})", key, value,
                          kMaxCentroids));
  }
  return static_cast<std::uint64_t>(value);
}

void read_codebooks(const Keys& keys, solver::VptqLayer& sizes) {
  const auto vector_lens = keys.pair("vector_lens", kMaxVectorLen);
  const auto centroids = keys.pair("num_centroids", kMaxCentroids);
  const auto res_centroids = keys.pair("num_res_centroids", kMaxCentroids);
  if (vector_lens[1] < 1) {
    keys.fail(fmt::format("vector_lens holds {} (vectors have 1 to {} numbers)", vector_lens[1],
                          kMaxVectorLen));
  }
  sizes.vector_len = static_cast<std::uint64_t>(vector_lens[1]);
  sizes.num_centroids = codebook_size(keys, "num_centroids", centroids[1], false);
  sizes.num_res_centroids = codebook_size(keys, "num_res_centroids", res_centroids[1], true);
  if (sizes.num_res_centroids > sizes.num_centroids) {
    keys.fail(
        fmt::format("num_res_centroids {} is above num_centroids {} (readers disagree about "
                    "what that means)",
                    sizes.num_res_centroids, sizes.num_centroids));
  }
  if (res_centroids[0] > 0) {
    keys.fail(fmt::format("num_res_centroids gives outliers {} residual centroids (there are none)",
                          res_centroids[0]));
  }
  if (sizes.outlier_size == 0) return;
  if (vector_lens[0] < 2 || centroids[0] < 1) {
    keys.fail(
        fmt::format("outlier_size is {} but vector_lens and num_centroids give outliers "
                    "vectors of {} and {} centroids",
                    sizes.outlier_size, vector_lens[0], centroids[0]));
  }
  sizes.outlier_vector_len = static_cast<std::uint64_t>(vector_lens[0]);
  sizes.num_outlier_centroids = static_cast<std::uint64_t>(centroids[0]);
}

}  // namespace

VptqLayerConfig read_layer_config(const JsonValue& object, const std::string& origin) {
  const Keys keys(object, origin);
  VptqLayerConfig config;
  solver::VptqLayer& sizes = config.sizes;
  sizes.in_features = keys.integer("in_features", 1, kMaxFeatures);
  sizes.out_features = keys.integer("out_features", 1, kMaxFeatures);
  sizes.num_groups = keys.integer("group_num", 1, kMaxFeatures);
  sizes.group_size = keys.integer("group_size", 1, kMaxFeatures);
  sizes.outlier_size = keys.integer("outlier_size", 0, kMaxFeatures);
  if (sizes.num_groups * sizes.group_size + sizes.outlier_size != sizes.in_features) {
    keys.fail(
        fmt::format("has {} groups of {} columns and {} outlier columns, but {} input columns",
                    sizes.num_groups, sizes.group_size, sizes.outlier_size, sizes.in_features));
  }
  read_codebooks(keys, sizes);
  keys.expect("indices_as_float", false);
  keys.expect("is_indice_packed", true);
  config.has_norm = keys.boolean("enable_norm");
  config.has_perm = keys.boolean("enable_perm");
  config.has_bias = !keys.at("bias").is_null() && keys.boolean("bias");  // null in published models
  if (config.has_perm && sizes.in_features > static_cast<std::uint64_t>(kMaxCentroids)) {
    keys.fail(
        fmt::format("has a permutation of {} columns (stored in 16 bits)", sizes.in_features));
  }
  if (object.contains("norm_dim") && keys.integer("norm_dim", 0, 1) != 0) {
    keys.fail("norm_dim is 1 (a scale for each output cannot be read)");
  }
  return config;
}

std::string quant_method_of(const JsonValue& config, const std::string& origin) {
  if (!config.is_object()) throw InputError(fmt::format("{}: is no JSON object", origin));
  if (!config.contains("quantization_config")) return "";
  const JsonValue& quantization = config.at("quantization_config");
  if (quantization.is_null()) return "";
  const Keys keys(quantization, origin + ": quantization_config");
  if (!keys.at("quant_method").is_text()) keys.fail("quant_method is no text");
  return keys.at("quant_method").text();
}

const VptqLayerConfig* VptqLayerConfigs::find(std::string_view layer) const {
  if (const auto found = layers.find(layer); found != layers.end()) return &found->second;
  const std::size_t dot = layer.rfind('.');
  const auto found = shared.find(dot == layer.npos ? layer : layer.substr(dot + 1));
  return found == shared.end() ? nullptr : &found->second;
}

VptqLayerConfigs read_layer_configs(const JsonValue& config, const std::string& origin) {
  const std::string place = origin + ": quantization_config";
  const JsonValue& quantization = config.at("quantization_config");
  const auto read_all = [&](const char* key, auto& layers) {
    if (!quantization.contains(key) || quantization.at(key).is_null()) return;
    const JsonValue& objects = quantization.at(key);
    if (!objects.is_object()) throw InputError(fmt::format("{}: {} is no object", place, key));
    for (const auto& [name, object] : objects.entries()) {
      layers.emplace(name, read_layer_config(object, fmt::format("{}: {}: {}", origin, key,
                                                                 model::quote_name(name))));
    }
  };
  VptqLayerConfigs configs;
  read_all("config_for_layers", configs.layers);
  read_all("shared_layer_config", configs.shared);
  if (configs.layers.empty() && configs.shared.empty()) {
    throw InputError(
        fmt::format("{} has no config_for_layers (nothing says how its layers are "
                    "packed). The folder is damaged.",
                    place));
  }
  return configs;
}

}  // namespace tessera::format
