#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "model/tensor_source.hpp"

namespace tessera::model {

/// A tensor to be written: its shape now, its bytes when its turn comes.
struct TensorToWrite {
  std::string name;
  TensorInfo info;
  std::function<void(std::span<std::byte> out)> fill;  ///< out.size() == info.count() * size_of(dtype)
};

/// Writes tensors as safetensors files of at most @p max_shard_bytes each (a larger tensor gets a shard of its own): model.safetensors
/// when all fit one file, else model-00001-of-0000N.safetensors and model.safetensors.index.json. Header keys are
/// sorted, data is 8-byte aligned, metadata is {"format": "pt"}; one tensor is in memory at a time.
/// Returns the file names written. Files appear atomically.
std::vector<std::string> write_safetensors(const std::filesystem::path& folder,
                                           const std::vector<TensorToWrite>& tensors,
                                           std::size_t max_shard_bytes);

/// Which tensors go to which shard, in the given order; pure, so that ranks can share shards out.
std::vector<std::vector<std::size_t>> plan_shards(const std::vector<TensorToWrite>& tensors,
                                                  std::size_t max_shard_bytes);

}  // namespace tessera::model
