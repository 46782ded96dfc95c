#include "jobs/loss_weights.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "jobs/depth_groups.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {
namespace {

/// By unit, its error in nats: what is gained by mending its kind and group, for each unit of error
/// that this takes away; gains that are lost in the noise are none.
std::vector<double> measured_losses(const PreparedRun& prepared, const WorkFolder& work,
                                    const DivergenceStudy& study, std::span<const double> errors,
                                    std::span<const double> removed) {
  const auto groups = depth_groups(study.num_groups, prepared.config.num_blocks);
  std::vector<double> losses(errors.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    GroupDivergence found;
    work.load(divergence_file(study, g), "divergence", found);
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      std::vector<std::size_t> members;
      double total = 0;
      for (std::size_t u = 0; u < errors.size(); ++u) {
        const model::LinearLayer& layer = prepared.units[u].layer;
        if (layer.block < groups[g].begin || layer.block >= groups[g].end) continue;
        if (kind_of(layer) != found.kinds[k]) continue;
        members.push_back(u);
        total += removed[u];
      }
      const double gain = std::max(found.of_all - found.without[k], 0.0);
      for (const std::size_t u : members) losses[u] = total > 0 ? gain * errors[u] / total : 0;
    }
  }
  return losses;
}

double size_of(const LayerUnit& unit) {
  return static_cast<double>(unit.layer.in_features) * static_cast<double>(unit.layer.out_features);
}

}  // namespace

std::vector<double> losses_of_units(const PreparedRun& prepared, const WorkFolder& work,
                                    const DivergenceStudy& study, std::span<const double> errors,
                                    std::span<const double> removed) {
  constexpr double kMeasuredShare = 0.5;
  require(errors.size() == prepared.units.size(), "every unit has an error");
  std::vector<double> losses = measured_losses(prepared, work, study, errors, removed);
  const double gain = std::accumulate(losses.begin(), losses.end(), 0.0);
  const double all = gain > 0 ? gain : 1;
  double num_weights = 0;
  for (const LayerUnit& unit : prepared.units) num_weights += size_of(unit);
  for (std::size_t u = 0; u < losses.size(); ++u) {
    losses[u] = kMeasuredShare * losses[u] +
                (1 - kMeasuredShare) * all * size_of(prepared.units[u]) / num_weights;
  }
  return losses;
}

}  // namespace tessera::jobs
