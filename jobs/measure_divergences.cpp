#include "jobs/measure_divergences.hpp"

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "core/error.hpp"
#include "evaluation/original_predictions.hpp"
#include "jobs/depth_groups.hpp"
#include "jobs/draw_units.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {
namespace {

std::vector<std::string> kinds_of(const std::vector<LayerUnit>& units, Tile blocks) {
  std::vector<std::string> kinds;
  for (const LayerUnit& unit : units) {
    if (unit.layer.block < blocks.begin || unit.layer.block >= blocks.end) continue;
    const std::string kind = kind_of(unit.layer);
    if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
  }
  return kinds;
}

class DivergenceMeter {
 public:
  DivergenceMeter(RunContext& run, const PreparedRun& prepared, const WorkFolder& work,
                  const DivergenceStudy& study)
      : run_(run),
        num_blocks_(prepared.config.num_blocks),
        units_(prepared.units),
        original_(prepared, work),
        studied_(study.open(original_)),
        tokens_(
            std::span(prepared.calibration_tokens.tokens)
                .first(std::min(prepared.num_samples(), study.samples) * prepared.sample_length())),
        predictions_(run.threads, prepared.config, original_, tokens_, prepared.sample_length()),
        of_all_(predictions_.divergence_of(run.threads, studied_before(num_blocks_))) {}

  GroupDivergence measure(Tile blocks) {
    GroupDivergence found{of_all_, kinds_of(units_, blocks), {}};
    if (found.kinds.empty()) return found;
    const Matrix<float> before = studied_before(blocks.begin);
    const std::size_t rows = before.rows();
    Matrix<float> hidden(found.kinds.size() * rows, before.cols());
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      const auto own = hidden.view().middle_rows(k * rows, rows);
      std::ranges::copy(before.span(), own.data);
      predictions_.walk(run_.threads, studied_->with_mended(blocks, found.kinds[k]), blocks, own);
    }
    predictions_.walk(run_.threads, with_all_quantized(), {blocks.end, num_blocks_}, hidden);
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      found.without.push_back(
          predictions_.divergence_of(run_.threads, hidden.view().middle_rows(k * rows, rows)));
    }
    return found;
  }

 private:
  evaluation::ScoredModel with_all_quantized() const { return studied_->with_mended({0, 0}, ""); }
  Matrix<float> studied_before(std::size_t block) const {
    Matrix<float> hidden = predictions_.embedded(tokens_);
    predictions_.walk(run_.threads, with_all_quantized(), {0, block}, hidden);
    return hidden;
  }

  RunContext& run_;
  const std::size_t num_blocks_;
  const std::vector<LayerUnit>& units_;
  const EqualizedWeights original_;
  const std::unique_ptr<StudiedModel> studied_;
  const std::span<const std::uint32_t> tokens_;
  const evaluation::OriginalPredictions predictions_;
  const double of_all_;
};

}  // namespace

std::string divergence_file(const DivergenceStudy& study, std::size_t group) {
  return fmt::format("{}/divergence-{:05}.h5", study.folder, group);
}

void measure_divergences(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                         const DivergenceStudy& study) {
  const std::vector<Tile> groups = depth_groups(study.num_groups, prepared.config.num_blocks);
  std::vector<std::size_t> left;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!work.is_committed(divergence_file(study, g))) left.push_back(g);
  }
  const std::size_t num_done = groups.size() - left.size();
  std::optional<DivergenceMeter> meter;
  draw_units(run, {.count = left.size(),
                   .cost = [](std::size_t) { return 1.0; },
                   .name = [](std::size_t) { return "a group of blocks"; },
                   .do_one =
                       [&](std::size_t i) {
                         if (!meter) meter.emplace(run, prepared, work, study);
                         work.commit(divergence_file(study, left[i]), "divergence",
                                     meter->measure(groups[left[i]]));
                       },
                   .say =
                       [&](std::size_t num_drawn) {
                         run.log.progress(progress_of(study.stage, "groups of blocks",
                                                      num_done + num_drawn, groups.size()));
                       }});
  work.refresh();
}

}  // namespace tessera::jobs
