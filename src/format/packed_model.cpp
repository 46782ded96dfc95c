#include "format/packed_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <fmt/core.h>

#include "core/error.hpp"
#include "model/architecture.hpp"

namespace tessera::format {
namespace {

constexpr std::string_view kWeight = ".weight";

bool is_floating(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

void check_representable(const std::string& name, StoredType type, std::size_t position,
                         float value) {
  if (std::isfinite(rounded_to(type, value))) return;
  if (!std::isfinite(value)) {
    throw InputError(
        fmt::format("{}: element {} is {} (a model's weights are finite). The original "
                    "model is damaged; fetch it again.",
                    name, position, value));
  }
  throw InputError(
      fmt::format("{}: element {} is {:g} (beyond the largest number of the stored "
                  "type). Choose output.dtype bfloat16 or float32.",
                  name, position, value));
}

/// Converts piece by piece: an embedding table is hundreds of megabytes.
void convert(const std::string& name, DType from, std::span<const std::byte> in, StoredType type,
             std::span<std::byte> out) {
  std::array<float, 4096> piece;
  const std::size_t count = in.size() / size_of(from);
  require(out.size() == count * size_of(dtype_of(type)), "as many elements out as in");
  for (std::size_t begin = 0; begin < count; begin += piece.size()) {
    const std::span<float> values(piece.data(), std::min(piece.size(), count - begin));
    convert_to_float(from, in.data() + begin * size_of(from), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      check_representable(name, type, begin + i, values[i]);
    }
    convert_from_float(dtype_of(type), values, out.data() + begin * size_of(dtype_of(type)));
  }
}

/// The original's tensor @p source under the name @p name: floats in the stored type, integers as
/// they are.
model::TensorToWrite converted_tensor(const PackedModel& packed, const std::string& name,
                                      const std::string& source) {
  const model::SafetensorsFolder& original = packed.original;
  const model::TensorInfo info = original.info(source);
  if (!is_floating(info.dtype)) {
    return {name, info,
            [&original, source](std::span<std::byte> out) { original.read_bytes(source, out); }};
  }
  const StoredType type = packed.stored_type;
  return {name,
          {dtype_of(type), info.shape},
          [&original, source, info, type](std::span<std::byte> out) {
            // A copy, not the memory map: pages of the map would stay resident, all tensors' in the
            // end.
            std::vector<std::byte> stored(info.count() * size_of(info.dtype));
            original.read_bytes(source, stored);
            convert(source, info.dtype, stored, type, out);
          }};
}

void check_layer(const PackedModel& packed, const std::string& layer,
                 const solver::VptqLayer& sizes) {
  const model::TensorInfo info = packed.original.info(layer + std::string(kWeight));
  if (info.shape != std::vector<std::size_t>{sizes.out_features, sizes.in_features}) {
    throw InputError(fmt::format(
        "{} is packed as [{}, {}] (the weight in {} is {}). Was it made from another model?", layer,
        sizes.out_features, sizes.in_features, packed.original.origin(), info.to_text()));
  }
  require(sizes.stored_type == packed.stored_type,
          "every packed layer has the model's stored type");
}

/// "a.b.q_proj" of "a.b.q_proj.weight_scale"; the name itself when it has no dot.
std::string_view module_of(std::string_view tensor) {
  return tensor.substr(0, tensor.rfind('.'));
}

/// True for codebooks, indices, norms and permutation of a packed layer, not for its bias.
bool is_packed(const LayerSizes& layers, const std::string& tensor) {
  const std::string_view module = module_of(tensor);
  if (tensor.ends_with(".bias")) return false;
  return layers.contains(std::string(module)) || layers.contains(std::string(module_of(module)));
}

}  // namespace

std::vector<model::TensorToWrite> packed_model_tensors(const PackedModel& packed) {
  for (const auto& [layer, sizes] : packed.layers) check_layer(packed, layer, sizes);
  auto tensors_of = vptq_tensors(packed.layers, packed.load, packed.permutation);

  const std::string head(model::kHeadName);
  const bool has_tied_head = packed.config.tied_embeddings;
  std::vector<model::TensorToWrite> tensors;
  for (const std::string& name : packed.original.names()) {
    if (name == head && has_tied_head) continue;
    const auto layer = tensors_of.find(std::string(module_of(name)));
    if (layer != tensors_of.end() && name.ends_with(kWeight)) {
      std::ranges::move(layer->second, std::back_inserter(tensors));
    } else {
      tensors.push_back(converted_tensor(packed, name, name));
    }
  }
  if (has_tied_head && packed.store_tied_head) {
    tensors.push_back(converted_tensor(packed, head, model::embedding_name(packed.config)));
  }
  return tensors;
}

double PackedSize::bits_per_weight() const {
  if (num_packed_weights == 0) return 0;
  return static_cast<double>(packed_bits) / static_cast<double>(num_packed_weights);
}

double PackedSize::bits_per_weight_overall() const {
  const std::uint64_t weights = num_packed_weights + num_other_weights;
  if (weights == 0) return 0;
  return static_cast<double>(packed_bits + other_bits) / static_cast<double>(weights);
}

PackedSize packed_size(const LayerSizes& layers, const std::vector<model::TensorToWrite>& tensors) {
  PackedSize size;
  for (const auto& [name, layer] : layers) {
    size.num_packed_weights += layer.out_features * layer.in_features;
  }
  for (const model::TensorToWrite& tensor : tensors) {
    const std::uint64_t bits = 8 * tensor.info.count() * size_of(tensor.info.dtype);
    if (is_packed(layers, tensor.name)) {
      size.packed_bits += bits;
    } else {
      size.num_other_weights += tensor.info.count();
      size.other_bits += bits;
    }
  }
  return size;
}

}  // namespace tessera::format
