#include "jobs/studied_models.hpp"

#include <utility>

#include "jobs/depth_groups.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {
namespace {

bool is_among(const model::LinearLayer& layer, Tile blocks, const std::string& kind) {
  return blocks.begin <= layer.block && layer.block < blocks.end && kind_of(layer) == kind;
}

/// Residuals as they were committed with their layers.
class SolvedResiduals final : public residual::ResidualSource {
 public:
  SolvedResiduals(const PreparedRun& prepared, const WorkFolder& work)
      : bits_(static_cast<std::uint64_t>(prepared.job.residual.bits)), work_(work) {
    for (const LayerUnit& unit : prepared.units) {
      if (!load_solved(work, unit.layer).is_kept) layers_[unit.layer.name] = &unit.layer;
    }
  }
  std::uint64_t bits() const override { return bits_; }
  bool contains(std::string_view layer) const override { return layers_.contains(layer); }
  residual::ResidualLayer read(std::string_view layer) const override {
    return load_solved(work_, *layers_.find(layer)->second).residual;
  }

 private:
  const std::uint64_t bits_;
  const WorkFolder& work_;
  std::map<std::string, const model::LinearLayer*, std::less<>> layers_;
};

}  // namespace

RoughModel::RoughModel(const PreparedRun& prepared, const WorkFolder& work,
                       const EqualizedWeights& original)
    : config_(prepared.config),
      weights_(
          prepared, original,
          [this, &work](const model::LinearLayer& layer) -> std::optional<solver::QuantizedLayer> {
            if (is_among(layer, blocks_, kind_)) return std::nullopt;
            MeasuredLayer measured;
            work.load(measured_file(layer), "measured", measured);
            return std::move(measured.rough);
          }) {}

evaluation::ScoredModel RoughModel::with_mended(Tile blocks, const std::string& kind) {
  blocks_ = blocks;
  kind_ = kind;
  return {config_, weights_, "rough"};
}

CompensatedModel::CompensatedModel(const PreparedRun& prepared, const WorkFolder& work,
                                   const EqualizedWeights& original, std::uint64_t k_chunk,
                                   std::uint64_t mended_k_chunk)
    : prepared_(prepared),
      k_chunk_(k_chunk),
      mended_k_chunk_(mended_k_chunk),
      weights_(prepared, original,
               [&work](const model::LinearLayer& layer) -> std::optional<solver::QuantizedLayer> {
                 SolvedLayer solved = load_solved(work, layer);
                 if (solved.is_kept) return std::nullopt;
                 return std::move(solved.layer);
               }),
      residuals_(std::make_unique<SolvedResiduals>(prepared, work)) {}

evaluation::ScoredModel CompensatedModel::with_mended(Tile blocks, const std::string& kind) {
  std::map<std::string, std::uint64_t> k_chunk_of;
  for (const LayerUnit& unit : prepared_.units) {
    if (is_among(unit.layer, blocks, kind)) k_chunk_of[unit.layer.name] = mended_k_chunk_;
  }
  return with(k_chunk_of);
}

evaluation::ScoredModel CompensatedModel::with(
    const std::map<std::string, std::uint64_t>& k_chunk_of) {
  evaluation::CompensationSettings settings;
  settings.k_chunk = k_chunk_;
  settings.k_chunk_of = k_chunk_of;
  compensator_.emplace(*residuals_, std::move(settings));
  return {prepared_.config, weights_, "compensated", &*compensator_};
}

}  // namespace tessera::jobs
