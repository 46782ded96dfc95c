#include "model/safetensors_writer.hpp"

namespace tessera::model {

std::vector<std::vector<std::size_t>> plan_shards(const std::vector<TensorToWrite>& tensors,
                                                  std::size_t max_shard_bytes) {
  std::vector<std::vector<std::size_t>> shards;
  std::size_t filled = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t bytes = tensors[i].bytes();
    if (shards.empty() || filled + bytes > max_shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(i);
    filled += bytes;
  }
  return shards;
}

}  // namespace tessera::model
