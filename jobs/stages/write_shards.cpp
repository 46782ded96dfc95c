#include "jobs/stages/write_shards.hpp"

#include <sstream>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"

namespace tessera::jobs {

namespace {

/// Two names of one file where the file system can, else two files; both are whole and durable.
void link_or_copy(const Path& from, const Path& to) {
  std::error_code error;
  std::filesystem::create_hard_link(from, to, error);
  if (!error) return;
  write_atomically(to, [&](const Path& temporary) { std::filesystem::copy_file(from, temporary); });
}

/// The digest of @p file, which now has these tensors.
std::string make_shard(RunContext& run, AssembledShards& assembled, const Path& file,
                       const std::vector<model::TensorToWrite>& tensors,
                       std::span<const std::size_t> members, const model::Metadata& metadata) {
  const std::string name = file.filename().string();
  AssembledShard shard = assembled.recipe_of(tensors, members, metadata);
  if (const auto published = assembled.find(shard)) {
    link_or_copy(*published, file);
    run.log.info(
        fmt::format("{} is that of the published output (nothing in it has changed)", name));
  } else {
    model::write_safetensors_file(file, tensors, members, metadata);
    run.log.detail("packed " + name);
  }
  shard.digest = digest_of_file(file);
  assembled.commit(name, shard);
  return shard.digest;
}

}  // namespace

WrittenShards write_shards(RunContext& run, AssembledShards& assembled, const Path& folder,
                           const std::vector<model::TensorToWrite>& tensors,
                           std::uint64_t max_shard_bytes, std::string_view stem,
                           const std::map<std::string, std::string>& metadata) {
  const model::ShardedFiles files = model::plan_files(tensors, max_shard_bytes, stem);
  std::string mine;  // "name digest bytes" lines
  cluster::agree_on(run.comm, [&] {
    for (std::size_t s = run.comm.rank(); s < files.names.size(); s += run.comm.size()) {
      const Path file = folder / files.names[s];
      const std::string digest =
          make_shard(run, assembled, file, tensors, files.members[s], metadata);
      mine += fmt::format("{} {} {}\n", files.names[s], digest, std::filesystem::file_size(file));
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
