#include "format/packed_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>

#include <fmt/core.h>

#include "core/error.hpp"
#include "model/architecture.hpp"

namespace tessera::format {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";

constexpr const char* kDamaged = "The original model is damaged; fetch it again.";
constexpr const char* kComputed =
    "It was computed, not copied; choose milder settings for what changes it.";

bool is_floating(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

void check_representable(const std::string& name, StoredType type, std::size_t position,
                         float value, const char* advice) {
  if (std::isfinite(rounded_to(type, value))) return;
  if (!std::isfinite(value)) {
    throw InputError(fmt::format("{}: element {} is {} (a model's weights are finite). {}", name,
                                 position, value, advice));
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
      check_representable(name, type, begin + i, values[i], kDamaged);
    }
    convert_from_float(dtype_of(type), values, out.data() + begin * size_of(dtype_of(type)));
  }
}

/// The original's tensor @p source under the name @p name: floats in the stored type, integers as
/// they are.
model::TensorToWrite converted_tensor(const PackedModel& packed, const std::string& name,
                                      const std::string& source) {
  const OriginalTensors& original = packed.original;
  const model::TensorInfo info = original.info(source);
  if (!is_floating(info.dtype)) {
    return {name, info,
            [original, source](std::span<std::byte> out) { original.read_bytes(source, out); }};
  }
  const StoredType type = packed.stored_type;
  return {
      name, {dtype_of(type), info.shape}, [original, source, info, type](std::span<std::byte> out) {
        // A copy, not the memory map: pages of the map would stay resident, all tensors' in the
        // end.
        std::vector<std::byte> stored(info.count() * size_of(info.dtype));
        original.read_bytes(source, stored);
        convert(source, info.dtype, stored, type, out);
      }};
}

model::TensorToWrite changed_tensor(const PackedModel& packed, const std::string& name,
                                    const ChangedTensor& changed) {
  const StoredType type = packed.stored_type;
  const model::TensorInfo info{dtype_of(type), changed.shape};
  return {name, info, [name, type, read = changed.read, count = info.count()](auto out) {
            std::vector<float> values(count);
            read(values);
            for (std::size_t i = 0; i < count; ++i) {
              check_representable(name, type, i, values[i], kComputed);
            }
            convert_from_float(dtype_of(type), values, out.data());
          }};
}

/// The tensor @p source as it is to be, changed or not, under the name @p name.
model::TensorToWrite current_tensor(const PackedModel& packed, const std::string& name,
                                    const std::string& source) {
  const auto changed = packed.changed.find(source);
  if (changed == packed.changed.end()) return converted_tensor(packed, name, source);
  return changed_tensor(packed, name, changed->second);
}

/// "a.b.q_proj" of "a.b.q_proj.weight".
std::string module_of(const std::string& tensor) {
  return tensor.substr(0, tensor.rfind('.'));
}

std::set<std::string> names_in_layers(const PackedModel& packed) {
  std::set<std::string> names;
  for (const auto& [layer, tensors] : packed.layers) {
    for (const model::TensorToWrite& tensor : tensors) names.insert(tensor.name);
  }
  return names;
}

void check(const PackedModel& packed, const std::set<std::string>& in_layers) {
  for (const auto& [layer, tensors] : packed.layers) {
    const std::string weight = layer + std::string(kWeight);
    static_cast<void>(packed.original.info(weight));  // throws where there is none
    if (packed.changed.contains(weight)) throw Bug(weight + " is both packed and changed");
  }
  for (const auto& [name, changed] : packed.changed) {
    if (in_layers.contains(name)) throw Bug(name + " is both changed and its packed layer's own");
    if (name == model::kHeadName && packed.config.tied_embeddings) {
      throw Bug("a head that is tied to the embeddings cannot change alone");
    }
    if (packed.original.contains(name) && packed.original.info(name).shape != changed.shape) {
      throw Bug(fmt::format("{} is changed to another shape than {}", name,
                            packed.original.info(name).to_text()));
    }
  }
}

/// Collects the tensors in their order.
class TensorList {
 public:
  explicit TensorList(const PackedModel& packed)
      : packed_(packed), in_layers_(names_in_layers(packed)) {
    check(packed, in_layers_);
    for (const auto& [name, changed] : packed.changed) {
      if (!packed.original.contains(name)) new_ones_.insert(name);
    }
  }

  void add_original(const std::string& name) {
    const bool is_weight = name.ends_with(kWeight);
    const auto layer = is_weight ? packed_.layers.find(module_of(name)) : packed_.layers.end();
    if (layer != packed_.layers.end()) {
      tensors_.insert(tensors_.end(), layer->second.begin(), layer->second.end());
    } else if (!in_layers_.contains(name)) {  // a bias that its packed layer brings along
      tensors_.push_back(current_tensor(packed_, name, name));
    }
    if (!is_weight) return;
    const std::string bias = module_of(name) + std::string(kBias);
    if (new_ones_.erase(bias) > 0) add_changed(bias);
  }
  void add_rest() {
    for (const std::string& name : new_ones_) add_changed(name);
    new_ones_.clear();
  }
  void add_tied_head() {
    tensors_.push_back(current_tensor(packed_, std::string(model::kHeadName),
                                      std::string(model::embedding_name(packed_.config))));
  }
  std::vector<model::TensorToWrite> take() { return std::move(tensors_); }

 private:
  void add_changed(const std::string& name) {
    tensors_.push_back(changed_tensor(packed_, name, packed_.changed.at(name)));
  }

  const PackedModel& packed_;
  std::set<std::string> in_layers_;
  std::set<std::string> new_ones_;  ///< changed tensors the original has none of, not yet listed
  std::vector<model::TensorToWrite> tensors_;
};

}  // namespace

std::vector<model::TensorToWrite> packed_model_tensors(const PackedModel& packed) {
  const bool has_tied_head = packed.config.tied_embeddings;
  TensorList list(packed);
  for (const std::string& name : packed.original.names()) {
    if (name != model::kHeadName || !has_tied_head) list.add_original(name);
  }
  list.add_rest();
  if (has_tied_head && packed.store_tied_head) list.add_tied_head();
  return list.take();
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

PackedSize packed_size(const PackedModel& packed,
                       const std::vector<model::TensorToWrite>& tensors) {
  std::set<std::string> packed_names = names_in_layers(packed);
  PackedSize size;
  for (const auto& [layer, parts] : packed.layers) {
    size.num_packed_weights += packed.original.info(layer + std::string(kWeight)).count();
    packed_names.erase(layer + std::string(kBias));
  }
  for (const model::TensorToWrite& tensor : tensors) {
    const std::uint64_t bits = 8 * tensor.bytes();
    if (packed_names.contains(tensor.name)) {
      size.packed_bits += bits;
    } else {
      size.num_other_weights += tensor.info.count();
      size.other_bits += bits;
    }
  }
  return size;
}

}  // namespace tessera::format
