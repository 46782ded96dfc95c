#pragma once
#include <map>
#include <string>

#include "calibration/input_statistics.hpp"
#include "model/architecture.hpp"
#include "solver/vptq/vptq_solver.hpp"

// What stands in the work folder's HDF5 files, each type walking its fields past an archive
// (store/archive.hpp).
namespace tessera::jobs {

/// The statistics of a block's inputs: a partial of one shard, or what is being put together.
struct BlockStatistics {
  std::map<model::InputRole, calibration::InputStatistics> of_role;
};

/// solved/block-00004/mlp.down_proj.h5: a layer as it will be packed, and how it went.
struct SolvedLayer {
  solver::VptqLayer layer;
  solver::SolveReport report;
  double seconds = 0;  ///< of this solve; the one field that differs from run to run
};

template <class Archive>
void archive(Archive& a, SolvedLayer& s) {
  a("layer", s.layer);
  a("proxy_error", s.report.proxy_error);
  a("damp_fraction", s.report.damp_fraction);
  a("num_dead_columns", s.report.num_dead_columns);
  a("remarks", s.report.remarks);
  a("is_degraded", s.report.is_degraded);
  a("seconds", s.seconds);
}

}  // namespace tessera::jobs
