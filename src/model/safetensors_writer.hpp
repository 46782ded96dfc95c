#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "model/tensor_source.hpp"

namespace tessera::model {

/// A tensor to be written: its shape now, its bytes when its turn comes.
struct TensorToWrite {
  std::string name;
  TensorInfo info;
  std::function<void(std::span<std::byte> out)> fill;  ///< out.size() == bytes()

  std::size_t bytes() const { return info.count() * size_of(info.dtype); }
};

/// Writes tensors as safetensors files of at most @p max_shard_bytes of tensor data each, as
/// transformers counts (a larger tensor gets a shard of its own): model.safetensors when all fit
/// one file, else model-00001-of-0000N.safetensors and, last, model.safetensors.index.json. One
/// tensor is in memory at a time, filled in the given order. Returns the file names written. Files
/// appear atomically.
/// @pre tensors is not empty; names differ from each other and from "__metadata__"
std::vector<std::string> write_safetensors(const std::filesystem::path& folder,
                                           const std::vector<TensorToWrite>& tensors,
                                           std::size_t max_shard_bytes);

/// Which tensors go to which shard, in the given order; pure, so that ranks can share shards out.
std::vector<std::vector<std::size_t>> plan_shards(const std::vector<TensorToWrite>& tensors,
                                                  std::size_t max_shard_bytes);

/// One file of those, holding tensors[i] for i in @p members. Header keys are sorted; the header is
/// padded with spaces to a multiple of 8 bytes and the data sorted by size of element, largest
/// first, then by name, so that every tensor is aligned to its elements; metadata is {"format":
/// "pt"}.
void write_safetensors_file(const std::filesystem::path& file,
                            const std::vector<TensorToWrite>& tensors,
                            std::span<const std::size_t> members);

}  // namespace tessera::model
