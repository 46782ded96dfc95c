#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/assembled_shards.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "model/safetensors_writer.hpp"

namespace tessera::jobs {

/// Files that all ranks have written together.
struct WrittenShards {
  std::map<std::string, std::string> digests;  ///< file name -> SHA-256
  std::map<std::string, std::string> forms;    ///< tensor -> type and shape
  std::uint64_t bytes = 0;                     ///< of the files
};

/// Writes @p tensors to @p folder as one safetensors file or several with their index: whole files
/// by rank, one tensor in memory at a time. A file that the published output has, made of the same,
/// is not packed again but linked to it (or copied, on another file system). Collective; every rank
/// gets the same result.
WrittenShards write_shards(RunContext& run, AssembledShards& assembled, const Path& folder,
                           const std::vector<model::TensorToWrite>& tensors,
                           std::uint64_t max_shard_bytes, std::string_view stem,
                           const std::map<std::string, std::string>& metadata = {});

}  // namespace tessera::jobs
