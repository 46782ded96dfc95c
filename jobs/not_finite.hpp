#pragma once
#include <string>
#include <vector>

#include "jobs/work_files.hpp"
#include "jobs/work_folder.hpp"

// Numbers that are NaN or infinite where a layer's input should be. The sample they are in counts
// for none of the inputs it reached so, and for none of later blocks; the statistics of the inputs
// it reached hold a NaN, so that nobody takes them for sound, and the words stand in a file of the
// calibration shard.
namespace tessera::jobs {

/// calibration/block-00004/not-finite-00002-of-00008.h5, which is there only where something is.
struct NotFinite {
  struct OfInput {
    std::string input;    ///< "mlp_hidden of expert 3"
    std::string problem;  ///< "the mlp_hidden of block 4 is inf at channel 5 for token 7 of ..."
  };
  std::vector<OfInput> inputs;
};

template <class Archive>
void archive(Archive& a, NotFinite::OfInput& i) {
  a("input", i.input);
  a("problem", i.problem);
}
template <class Archive>
void archive(Archive& a, NotFinite& n) {
  a("not_finite", n.inputs);
}

/// Commits what @p partial, of this shard, met in @p block; nothing where all was finite. Before
/// the block's statistics are committed, so that nobody has those alone.
void commit_not_finite(WorkFolder& work, Log& log, std::size_t block, std::size_t shard,
                       std::size_t num_shards, const BlockStatistics& partial);

/// Commits to @p to what @p from has in @p file.
void copy_not_finite(const WorkFolder& from, WorkFolder& to, const std::string& file);

/// What the first shard that met something has to say of this input; empty: all was finite.
std::string not_finite_problem(const WorkFolder& work, std::size_t block,
                               const model::InputKey& input);

}  // namespace tessera::jobs
