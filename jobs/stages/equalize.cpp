#include "jobs/stages/equalize.hpp"

#include <cmath>

#include <fmt/core.h>

#include "calibration/hessian.hpp"
#include "core/error.hpp"
#include "jobs/block_sums.hpp"
#include "jobs/draw_units.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/work_files.hpp"
#include "solver/aweq/equalization.hpp"

namespace tessera::jobs {
namespace {

/// What the trials round with: the method's own integers, or for codebooks channels of about as
/// many bits, since their own quantizer would take hours.
solver::AweqSettings trial_settings(const LayerUnit& unit, const QuantizeSettings& settings) {
  if (unit.makes_integers()) return settings.aweq;
  solver::AweqSettings chosen = settings.aweq;
  const solver::VptqSettings& vptq = unit.vptq();
  const double bits = (std::log2(vptq.num_centroids) +
                       (vptq.num_res_centroids > 0 ? std::log2(vptq.num_res_centroids) : 0.0)) /
                      vptq.vector_len;
  chosen.integers.scheme = bits < 2.5   ? solver::Scheme::w2a16
                           : bits < 3.5 ? solver::Scheme::w3a16
                                        : solver::Scheme::w4a16;
  chosen.integers.granularity = solver::Granularity::channel;
  return chosen;
}

class BlockEqualizer {
 public:
  BlockEqualizer(RunContext& run, const PreparedRun& prepared, const WorkFolder& work,
                 std::size_t block)
      : run_(run), prepared_(prepared), work_(work), block_(block) {}

  BlockEqualization run() const {
    BlockEqualization found;
    for (const auto& role : roles_of_block(prepared_.units, block_))
      if (balanced_as(role) == role) found.of_role[role] = balance(role);
    return found;
  }

 private:
  BlockEqualization::OfInput balance(const model::InputKey& role) const {
    std::vector<Matrix<float>> weights;
    const LayerUnit* consumer = nullptr;
    for (const LayerUnit& unit : prepared_.units) {
      if (unit.layer.block != block_ || balanced_as(unit.layer.input()) != role) continue;
      weights.push_back(prepared_.weights->read_matrix(
          unit.layer.name + ".weight", unit.layer.out_features, unit.layer.in_features));
      consumer = &unit;
    }
    require(consumer != nullptr, "an input with statistics is some unit's");
    const auto slabs = slab_files(prepared_.config, prepared_.units, block_, prepared_.extras);
    auto statistics = load_statistics(work_, slabs, role);
    if (statistics.hessian.num_tokens == 0) return {{}, "none: no tokens", 0, 0};
    if (!calibration::problem_of(statistics.hessian).empty()) return {{}, "none: not finite", 0, 0};
    const Matrix<double> hessian =
        calibration::hessian_of(std::move(statistics.hessian.sum), statistics.hessian.num_tokens);
    solver::SharedInput input{fmt::format("block {}, {}", block_, model::name_of(role)),
                              {weights.begin(), weights.end()},
                              hessian,
                              statistics.minimum,
                              statistics.maximum,
                              statistics.token_rows,
                              tied_channels(prepared_.config, role.role)};
    auto chosen =
        solver::equalize(run_.threads, input, trial_settings(*consumer, prepared_.job.quantize),
                         scale_type(prepared_.job.output));
    return {std::move(chosen.scale), chosen.rule.to_text(), chosen.error, chosen.plain_error};
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  const WorkFolder& work_;
  const std::size_t block_;
};

void say(Log& log, std::size_t block, const BlockEqualization& found) {
  for (const auto& [role, of_input] : found.of_role) {
    const double gain = of_input.plain_error > 0 ? of_input.error / of_input.plain_error : 1.0;
    log.detail(fmt::format("block {}, {}: {} ({:.3f} of the error without)", block,
                           model::name_of(role), of_input.rule, gain));
  }
}

}  // namespace

void equalize(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  if (!equalizes(prepared.job.quantize)) return;
  std::vector<std::size_t> left;
  const auto blocks = blocks_of(prepared.units);
  for (const std::size_t block : blocks) {
    if (!work.is_committed(equalized_file(block))) left.push_back(block);
  }
  draw_units(run, {.count = left.size(),
                   .cost = [](std::size_t) { return 1.0; },
                   .name = [](std::size_t) { return "a block's scales"; },
                   .do_one =
                       [&](std::size_t i) {
                         const auto found = BlockEqualizer(run, prepared, work, left[i]).run();
                         say(run.log, left[i], found);
                         work.commit(equalized_file(left[i]), "equalized", found);
                       },
                   .say =
                       [&](std::size_t num_drawn) {
                         run.log.progress(progress_of("equalize", "blocks",
                                                      blocks.size() - left.size() + num_drawn,
                                                      blocks.size()));
                       }});
  work.refresh();
}

}  // namespace tessera::jobs
