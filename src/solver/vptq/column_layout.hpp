#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "solver/vptq/vptq_settings.hpp"

namespace tessera::solver {

/// Columns that share codebooks: the outlier columns, or one group. Positions count permuted
/// columns.
struct Segment {
  std::size_t begin = 0, end = 0;  ///< positions
  std::size_t vector_len = 0;
  std::size_t num_centroids = 0;
  std::size_t num_res_centroids = 0;  ///< 0: none
  bool is_outlier = false;
  std::size_t size() const { return end - begin; }
};

/// In which order columns are quantized and which codebook each uses (vptq.md 1.5).
struct ColumnLayout {
  std::vector<std::uint32_t> perm;  ///< position -> original column
  std::size_t outlier_size = 0;
  std::size_t group_size = 0;
  std::vector<Segment> segments;     ///< outliers first (if any), then the groups
  std::vector<std::string> remarks;  ///< what had to be changed against the settings, in sentences
};

/// @param importance (N): the diagonal of the objective's Hessian; with settings.permute, columns
/// go by it downwards (ties by column). The first outlier_percent of the positions, plus what makes
/// the groups equal, are outliers. Codebooks larger than the vectors that would use them are halved
/// until they fit; said in remarks.
ColumnLayout lay_out_columns(std::size_t out_features, std::span<const double> importance,
                             const VptqSettings& settings);

}  // namespace tessera::solver
