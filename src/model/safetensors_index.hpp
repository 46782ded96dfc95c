#pragma once
#include <map>
#include <string>
#include <string_view>

namespace tessera::model {

/// What the file names of a model's weights begin with.
inline constexpr std::string_view kModelStem = "model";
inline constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxShards = 10'000;

/// Tensor name -> file name of its shard.
using ShardIndex = std::map<std::string, std::string, std::less<>>;

/// Reads a model.safetensors.index.json. Shards are plain names ending in .safetensors: whatever
/// could lead out of the folder is refused. Throws InputError naming @p origin, tensor and shard.
ShardIndex parse_safetensors_index(std::string_view json, const std::string& origin);

/// Its inverse, as transformers writes it; @p total_bytes of tensor data in all shards.
std::string safetensors_index_json(const ShardIndex& index, std::size_t total_bytes);

/// "model-00001-of-00004.safetensors" for shard 0 of 4; "model.safetensors" when there is one only.
std::string shard_file_name(std::size_t shard, std::size_t num_shards,
                            std::string_view stem = kModelStem);

/// "model.safetensors.index.json"
std::string index_file_name(std::string_view stem = kModelStem);

}  // namespace tessera::model
