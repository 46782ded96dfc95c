#pragma once
#include <cstddef>
#include <filesystem>
#include <vector>

#include "core/log.hpp"

namespace tessera::jobs {

/// What a merge put together.
struct MergeResult {
  std::size_t num_shards = 0;
  std::size_t num_blocks = 0;
};

/// Joins the partial sums that runs of one job over different calibration shards left in @p parts
/// (calibration.only_shards), in the order of the shards: @p output becomes a work folder with the
/// statistics, byte for byte, of one run over all of them, and `tessera run --resume` goes on
/// there.
///
/// Throws InputError, before anything is written, when the folders are not of the same job (naming
/// each key that differs), when two hold the same shard, when shards are missing, when a file is
/// damaged, or when @p output holds a run.
MergeResult merge_calibrations(const std::vector<std::filesystem::path>& parts,
                               const std::filesystem::path& output, Log& log);

}  // namespace tessera::jobs
