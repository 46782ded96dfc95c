#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "format/original_tensors.hpp"
#include "model/model_config.hpp"
#include "model/safetensors_writer.hpp"

// All tensors of a packed model, whatever its layers are packed as, and what they weigh.
namespace tessera::format {

/// A tensor whose values are not the original's (a folded norm, a corrected bias), or that the
/// original has none of.
struct ChangedTensor {
  std::vector<std::size_t> shape;
  std::function<void(std::span<float> out)> read;  ///< called when the tensor's turn comes
};

struct PackedModel {
  const model::ModelConfig& config;  ///< of the original
  OriginalTensors original;          ///< its folder outlives the tensors: they are copied from it
  /// By layer ("model.layers.3.mlp.up_proj"): what replaces "<layer>.weight", and "<layer>.bias"
  /// where it is among them.
  std::map<std::string, std::vector<model::TensorToWrite>> layers;
  std::map<std::string, ChangedTensor> changed;  ///< by tensor name; written in the stored type
  StoredType stored_type = StoredType::float16;
  /// Writes lm_head.weight though it is tied to the embeddings: vptq's own loader needs it,
  /// transformers does not mind.
  bool store_tied_head = false;
};

/// Every tensor of the packed model by name, the tensors of one layer together: those of the
/// original, floating ones converted to the stored type, with each packed layer's weight replaced
/// and each changed tensor in place of the original's. A changed tensor that the original has none
/// of stands beside its module's weight, or at the end. A tied head is written once, as the
/// embeddings, unless store_tied_head. Throws InputError when the original has no such layer.
/// Filling a tensor throws InputError with its name, position and value when a number is not finite
/// or too large for the stored type.
std::vector<model::TensorToWrite> packed_model_tensors(const PackedModel& packed);

/// Bits of a packed model as they are in its files.
struct PackedSize {
  std::uint64_t num_packed_weights = 0;  ///< weights of the packed layers, in the original's shapes
  std::uint64_t packed_bits = 0;  ///< all that replaces them: codes, codebooks, scales; no biases
  std::uint64_t num_other_weights = 0;  ///< embeddings, norms, biases, layers that were left alone
  std::uint64_t other_bits = 0;

  /// Of the packed layers, everything counted; 0 when there are none.
  double bits_per_weight() const;
  /// Of the whole model.
  double bits_per_weight_overall() const;
  std::uint64_t total_bytes() const { return (packed_bits + other_bits) / 8; }
};

/// @p tensors as packed_model_tensors gives them.
PackedSize packed_size(const PackedModel& packed, const std::vector<model::TensorToWrite>& tensors);

}  // namespace tessera::format
