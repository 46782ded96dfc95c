#pragma once
#include <cstdint>
#include <vector>

#include "format/vptq_tensors.hpp"
#include "model/model_config.hpp"
#include "model/safetensors_file.hpp"

// All tensors of a packed model, and what they weigh.
namespace tessera::format {

struct PackedModel {
  const model::ModelConfig& config;          ///< of the original
  const model::SafetensorsFolder& original;  ///< outlives the tensors: they are copied from it
  const LayerSizes& layers;                  ///< the packed layers
  LoadLayer load;
  StoredType stored_type = StoredType::float16;
  Permutation permutation = Permutation::absorbed;
  /// Writes lm_head.weight though it is tied to the embeddings: vptq's own loader needs it,
  /// transformers does not mind.
  bool store_tied_head = false;
};

/// Every tensor of the packed model by name, the tensors of one layer together: those of the
/// original, floating ones converted to the stored type, with each packed layer's weight replaced
/// by vptq_tensors. A tied head is written once, as the embeddings, unless store_tied_head. Filling
/// a tensor throws InputError with its name, position and value when a number is not finite or too
/// large for the stored type.
std::vector<model::TensorToWrite> packed_model_tensors(const PackedModel& packed);

/// Bits of a packed model as they are in its files.
struct PackedSize {
  std::uint64_t num_packed_weights = 0;  ///< weights of the packed layers
  std::uint64_t packed_bits = 0;         ///< their indices, codebooks, norms and permutations
  std::uint64_t num_other_weights = 0;   ///< embeddings, norms, biases, layers that were left alone
  std::uint64_t other_bits = 0;

  /// Of the packed layers, everything counted; 0 when there are none.
  double bits_per_weight() const;
  /// Of the whole model.
  double bits_per_weight_overall() const;
  std::uint64_t total_bytes() const { return (packed_bits + other_bits) / 8; }
};
PackedSize packed_size(const LayerSizes& layers, const std::vector<model::TensorToWrite>& tensors);

}  // namespace tessera::format
