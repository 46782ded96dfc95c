#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/work_folder.hpp"
#include "model/safetensors_writer.hpp"

// Which bytes a file of the output has follows from what it is made of; so a file that was
// published and would be made of the same again is taken over as it is.
namespace tessera::jobs {

/// assembled/model-00001-of-00003.safetensors.h5: what was known when that file was written.
struct AssembledShard {
  std::string recipe;               ///< digest of all that decides its bytes
  std::string digest;               ///< of the file
  std::vector<std::string> layers;  ///< the solved layers that are in it
};

template <class Archive>
void archive(Archive& a, AssembledShard& s) {
  a("recipe", s.recipe);
  a("digest", s.digest);
  a("layers", s.layers);
}

std::string assembled_file(const std::string& shard);

/// Every shard that was assembled, by the name of its file.
std::map<std::string, AssembledShard> assembled_shards(const WorkFolder& work);

class AssembledShards {
 public:
  /// Reads what was assembled before.
  AssembledShards(const PreparedRun& prepared, WorkFolder& work);

  /// What the file with these tensors is made of: this program, the original's weights, the scales
  /// that balance it, the type it is stored in, and the commits of the solved layers in it.
  AssembledShard recipe_of(const std::vector<model::TensorToWrite>& tensors,
                           std::span<const std::size_t> members,
                           const model::Metadata& metadata) const;

  /// A published file made of the same, with the digest that it had; nothing when there is none, or
  /// when it is no longer what it was.
  std::optional<Path> find(const AssembledShard& wanted) const;

  /// Notes that @p file was written, or taken over.
  void commit(const std::string& file, const AssembledShard& shard);

 private:
  const PreparedRun& prepared_;
  WorkFolder& work_;
  std::string base_;                                     ///< what all files depend on
  std::map<std::string, std::string> digests_of_layer_;  ///< by name: of its commits
  std::map<std::string, AssembledShard> known_;          ///< by file
};

}  // namespace tessera::jobs
