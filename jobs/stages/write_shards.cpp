#include "jobs/stages/write_shards.hpp"

#include <sstream>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/digest.hpp"

namespace tessera::jobs {

WrittenShards write_shards(RunContext& run, const Path& folder,
                           const std::vector<model::TensorToWrite>& tensors,
                           std::uint64_t max_shard_bytes, std::string_view stem,
                           const std::map<std::string, std::string>& metadata) {
  const model::ShardedFiles files = model::plan_files(tensors, max_shard_bytes, stem);
  std::string mine;  // "name digest bytes" lines
  cluster::agree_on(run.comm, [&] {
    for (std::size_t s = run.comm.rank(); s < files.names.size(); s += run.comm.size()) {
      const Path file = folder / files.names[s];
      model::write_safetensors_file(file, tensors, files.members[s], metadata);
      mine += fmt::format("{} {} {}\n", files.names[s], digest_of_file(file),
                          std::filesystem::file_size(file));
    }
  });
  WrittenShards written;
  for (const model::TensorToWrite& tensor : tensors) {
    written.forms[tensor.name] = tensor.info.to_text();
  }
  for (const std::string& of_rank : run.comm.all_gather(mine)) {
    std::istringstream lines(of_rank);
    std::string name, digest;
    std::uint64_t bytes = 0;
    while (lines >> name >> digest >> bytes) {
      written.digests[name] = digest;
      written.bytes += bytes;
    }
  }
  cluster::on_first_rank(run.comm, [&] { model::write_index(folder, tensors, files, stem); });
  return written;
}

}  // namespace tessera::jobs
