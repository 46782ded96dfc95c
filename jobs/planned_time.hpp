#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "jobs/planned_model.hpp"
#include "jobs/settings/cluster_settings.hpp"

// How long a job will take: what it consists of, divided by what a machine does in a second. For a
// number of ranks as jobs/stages share the work out: calibration in rounds of shards, blocks to
// equalize and units to solve to the rank that is free first, whole shards and batches of windows.
namespace tessera::jobs {

/// On what a run goes.
struct RunLayout {
  std::size_t num_ranks = 1;
  std::size_t ranks_per_node = 1;
  std::size_t threads = 1;  ///< of each rank
  std::size_t num_nodes() const { return (num_ranks + ranks_per_node - 1) / ranks_per_node; }
};

inline constexpr std::array<const char*, 7> kPlannedStages = {
    "prepare", "calibrate", "equalize", "solve", "correct", "assemble", "evaluate"};

/// Wall time by stage, in the order of kPlannedStages.
struct StageSeconds {
  std::array<double, kPlannedStages.size()> of_stage{};
  double& operator[](std::size_t stage) { return of_stage[stage]; }
  double operator[](std::size_t stage) const { return of_stage[stage]; }
  double total() const;
};

/// What one rank of a layout does, as seconds of wall time. Work on all of its cores, on one of
/// them, or on files.
class RankClock {
 public:
  RankClock(const ClusterSettings& cluster, const RunLayout& layout);

  double on_all_cores(double amount, double rate) const { return amount / (rate * cores_); }
  double on_one_core(double amount, double rate) const { return amount / rate; }
  double reading(double bytes) const { return bytes / read_bytes_; }
  double writing(double bytes, double num_files) const {
    return bytes / write_bytes_ + num_files * cluster_.seconds_per_file;
  }
  /// @p bytes that this rank sends; within a node nothing waits for a network.
  double sending(double bytes) const { return bytes / network_bytes_; }
  const CoreRates& core() const { return cluster_.core; }

 private:
  const ClusterSettings& cluster_;
  double cores_, read_bytes_, write_bytes_, network_bytes_;
};

/// What solving @p unit takes on one rank: reading, solving, its residual, writing.
double unit_seconds(const PlannedModel& model, const LayerUnit& unit, const RankClock& clock);
/// What balancing the inputs of block @p block takes on one rank.
double equalize_seconds(const PlannedModel& model, std::size_t block, const RankClock& clock);

/// @param output_bytes of the packed folder's weights and residuals
StageSeconds predict_seconds(const PlannedModel& model, const ClusterSettings& cluster,
                             const RunLayout& layout, double output_bytes);

}  // namespace tessera::jobs
