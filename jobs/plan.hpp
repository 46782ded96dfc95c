#pragma once
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "calibration/statistics_extras.hpp"
#include "core/threads.hpp"
#include "jobs/settings/job_settings.hpp"
#include "model/architecture.hpp"
#include "model/model_config.hpp"
#include "solver/vptq/vptq_settings.hpp"

// Who does what is arithmetic: functions from a model's sizes and a job's settings to lists.
namespace tessera::jobs {

/// One linear layer to be solved: the smallest thing that is placed.
struct LayerUnit {
  model::LinearLayer layer;
  std::variant<solver::VptqSettings, solver::AweqSettings> settings;

  bool makes_integers() const { return std::holds_alternative<solver::AweqSettings>(settings); }
  const solver::VptqSettings& vptq() const { return std::get<solver::VptqSettings>(settings); }
  const solver::AweqSettings& aweq() const { return std::get<solver::AweqSettings>(settings); }
};

/// Every targeted layer with its settings, by block, then q, k, v, o, gate, up, down, then each
/// expert's.
/// Throws InputError when the job's targets match no layer, or an override no targeted one.
std::vector<LayerUnit> plan_units(const model::ModelConfig& config,
                                  const QuantizeSettings& settings);

/// Rough number of multiply-adds that solving @p unit takes, to compare units with each other.
double solve_cost(const LayerUnit& unit);

/// Indices of @p units, the costliest first; equal ones in their own order, so that layers that
/// share a Hessian meet.
std::vector<std::size_t> biggest_first(const std::vector<LayerUnit>& units);

/// What calibration keeps beside its sums. Some tokens' inputs, where 8-bit inputs are balanced, so
/// that scales are judged by what engines compute, and where residuals are made, so that choices of
/// channels are. What compensation leaves, where solvers count on it.
calibration::StatisticsExtras extras_of(const QuantizeJob& job);

/// The inputs of block @p block whose statistics some unit needs, in their own order. Where
/// experts' inputs are among them, so is what all tokens give their mixture: experts are balanced
/// together.
std::vector<model::InputKey> roles_of_block(const std::vector<LayerUnit>& units, std::size_t block);
/// The blocks that hold a unit, ascending.
std::vector<std::size_t> blocks_of(const std::vector<LayerUnit>& units);

/// One file of a block's complete sums: part of one input's flat row (flat_statistics.hpp).
struct SlabFile {
  model::InputKey role{};
  std::size_t num_channels = 0;
  Tile range;        ///< of the flat row
  std::string file;  ///< "calibration/block-00004/statistics-mlp_input-00000-of-00001.h5"
  calibration::StatisticsExtras extras = {};  ///< in the row
};

/// The slabs of block @p block's statistics, by role and range: cut by size alone.
std::vector<SlabFile> slab_files(const model::ModelConfig& config,
                                 const std::vector<LayerUnit>& units, std::size_t block,
                                 const calibration::StatisticsExtras& extras = {});

/// What a calibration shard looks like after a block:
/// "calibration/block-00004/hidden-00002-of-00008.h5". Dropped as soon as the next block is
/// committed, so that such a file is gone is no damage. @p folder says whose walk it is.
std::string hidden_file(std::size_t block, std::size_t shard, std::size_t num_shards,
                        const std::string& folder = "calibration");
bool is_hidden_file(const std::string& file);

/// A slab of one shard's partial, where shards are calibrated apart and merged later:
/// "calibration/block-00004/partial-mlp_input-00000-of-00001-shard-00002-of-00008.h5"
std::string partial_file(const SlabFile& slab, std::size_t shard, std::size_t num_shards);

/// What a calibration shard met in a block that was not finite:
/// "calibration/block-00004/not-finite-00002-of-00008.h5", and what the names of all shards' begin
/// with.
std::string not_finite_file(std::size_t block, std::size_t shard, std::size_t num_shards);
std::string not_finite_prefix(std::size_t block);
bool is_not_finite_file(const std::string& file);

/// The scales that balance a block's inputs: "equalized/block-00004.h5"
std::string equalized_file(std::size_t block);

/// "solved/block-00004/mlp.down_proj.h5"
std::string solved_file(const model::LinearLayer& layer);
/// Why that layer failed at first: "quarantine/block-00004/mlp.down_proj.h5"
std::string quarantine_file_of(const std::string& solved_file);

/// What biases of a block's layers take away of their outputs' error: "corrected/block-00004.h5"
std::string corrected_file(std::size_t block);
inline constexpr const char* kCorrectedFolder = "corrected/";

/// What candidate recipes would do to a layer: "allocation/block-00004/mlp.down_proj.h5"
std::string measured_file(const model::LinearLayer& layer);

inline constexpr const char* kAllocationFile = "allocation/choice.h5";

}  // namespace tessera::jobs
