#include "core/error.hpp"
#include "model/safetensors_index.hpp"
#include "model/safetensors_writer.hpp"

namespace tessera::model {

ShardedFiles plan_files(const std::vector<TensorToWrite>& tensors, std::size_t max_shard_bytes,
                        std::string_view stem) {
  require(!tensors.empty(), "there are tensors to write");
  ShardedFiles files;
  std::size_t filled = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t bytes = tensors[i].bytes();
    if (files.members.empty() || filled + bytes > max_shard_bytes) {
      files.members.emplace_back();
      filled = 0;
    }
    files.members.back().push_back(i);
    filled += bytes;
  }
  for (std::size_t s = 0; s < files.members.size(); ++s) {
    files.names.push_back(shard_file_name(s, files.members.size(), stem));
  }
  return files;
}

}  // namespace tessera::model
