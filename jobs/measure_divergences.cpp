#include "jobs/measure_divergences.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "evaluation/original_predictions.hpp"
#include "jobs/depth_groups.hpp"
#include "jobs/draw_units.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {
namespace {

/// The model with every quantized layer as a rough solve left it, but for those that are restored.
class RoughWeights final : public model::TensorSource {
 public:
  RoughWeights(const PreparedRun& prepared, const WorkFolder& work,
               const EqualizedWeights& original)
      : work_(work), original_(original) {
    for (const LayerUnit& unit : prepared.units) rough_[unit.layer.name + ".weight"] = &unit.layer;
  }

  /// One kind of layer in some blocks is as it was; no kind: none.
  void restore(Tile blocks, std::string kind) {
    blocks_ = blocks;
    kind_ = std::move(kind);
  }

  bool contains(std::string_view name) const override { return original_.contains(name); }
  model::TensorInfo info(std::string_view name) const override { return original_.info(name); }
  std::string origin() const override { return original_.origin(); }
  void read(std::string_view name, std::span<float> out) const override {
    const auto found = rough_.find(name);
    if (found == rough_.end() || is_restored(*found->second)) return original_.read(name, out);
    MeasuredLayer measured;
    work_.load(measured_file(*found->second), "measured", measured);
    std::ranges::copy(solver::dequantize(measured.rough).span(), out.begin());
  }
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override {
    if (!rough_.contains(name)) return original_.read_rows(name, rows, out);
    TensorSource::read_rows(name, rows, out);
  }

 private:
  bool is_restored(const model::LinearLayer& layer) const {
    return blocks_.begin <= layer.block && layer.block < blocks_.end && kind_of(layer) == kind_;
  }

  const WorkFolder& work_;
  const EqualizedWeights& original_;
  std::map<std::string, const model::LinearLayer*, std::less<>> rough_;
  Tile blocks_{0, 0};
  std::string kind_;
};

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
  DivergenceMeter(RunContext& run, const PreparedRun& prepared, const WorkFolder& work)
      : run_(run),
        num_blocks_(prepared.config.num_blocks),
        units_(prepared.units),
        original_(prepared, work),
        rough_(prepared, work, original_),
        tokens_(std::span(prepared.calibration_tokens.tokens)
                    .first(num_samples(prepared) * prepared.sample_length())),
        predictions_(run.threads, prepared.config, original_, tokens_, prepared.sample_length()),
        of_all_(of_all()) {}

  GroupDivergence measure(Tile blocks) {
    GroupDivergence found{of_all_, kinds_of(units_, blocks), {}};
    if (found.kinds.empty()) return found;
    const Matrix<float> before = rough_before(blocks.begin);
    const std::size_t rows = before.rows();
    Matrix<float> hidden(found.kinds.size() * rows, before.cols());
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      const auto own = hidden.view().middle_rows(k * rows, rows);
      std::ranges::copy(before.span(), own.data);
      rough_.restore(blocks, found.kinds[k]);
      predictions_.walk(run_.threads, rough_, blocks, own);
    }
    rough_.restore({0, 0}, "");
    predictions_.walk(run_.threads, rough_, {blocks.end, num_blocks_}, hidden);
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
      found.without.push_back(
          predictions_.divergence_of(run_.threads, hidden.view().middle_rows(k * rows, rows)));
    }
    return found;
  }

 private:
  static std::size_t num_samples(const PreparedRun& prepared) {
    return std::min(prepared.num_samples(),
                    static_cast<std::size_t>(prepared.job.quantize.budget.samples));
  }
  Matrix<float> rough_before(std::size_t block) const {
    Matrix<float> hidden = predictions_.embedded(tokens_);
    predictions_.walk(run_.threads, rough_, {0, block}, hidden);
    return hidden;
  }
  double of_all() const {
    return predictions_.divergence_of(run_.threads, rough_before(num_blocks_));
  }

  RunContext& run_;
  const std::size_t num_blocks_;
  const std::vector<LayerUnit>& units_;
  const EqualizedWeights original_;
  RoughWeights rough_;
  const std::span<const std::uint32_t> tokens_;
  const evaluation::OriginalPredictions predictions_;
  const double of_all_;
};

}  // namespace

void measure_divergences(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  const std::vector<Tile> groups = depth_groups(prepared.job, prepared.config.num_blocks);
  std::vector<std::size_t> left;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!work.is_committed(divergence_file(g))) left.push_back(g);
  }
  std::optional<DivergenceMeter> meter;
  draw_units(run, {.count = left.size(),
                   .cost = [](std::size_t) { return 1.0; },
                   .name = [](std::size_t) { return "a group of blocks"; },
                   .do_one =
                       [&](std::size_t i) {
                         if (!meter) meter.emplace(run, prepared, work);
                         work.commit(divergence_file(left[i]), "divergence",
                                     meter->measure(groups[left[i]]));
                       },
                   .say =
                       [&](std::size_t num_drawn) {
                         run.log.progress(progress_of("allocate", "groups of blocks",
                                                      groups.size() - left.size() + num_drawn,
                                                      groups.size()));
                       }});
  work.refresh();
}

}  // namespace tessera::jobs
