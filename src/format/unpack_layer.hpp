#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "format/vptq_layer_config.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {

/// Reads one layer's tensors, whose types and shapes were checked (packed_layer_file.hpp), and
/// checks their contents: indices of outliers below the number of centroids, no bits set after a
/// row's last index, finite codebooks and scales, perm a permutation. Throws InputError with
/// folder, tensor, position and value.
solver::VptqLayer unpack_layer(const model::SafetensorsFolder& files, const std::string& name,
                               const VptqLayerConfig& config);

/// The indices of one packed row (vptq.md 3.4): one stream of bits, lowest first, @p bits_per_index
/// for each value.
/// @pre words holds one word more than the row has
void unpack_row(std::span<const std::uint32_t> words, int bits_per_index,
                std::span<std::uint32_t> values);

}  // namespace tessera::format
