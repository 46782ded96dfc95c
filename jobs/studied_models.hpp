#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "evaluation/compensation.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/replaced_weights.hpp"
#include "jobs/work_folder.hpp"
#include "residual/residual_source.hpp"

// Models around which divergences are measured (jobs/measure_divergences.hpp): all layers
// quantized, but for those of one kind in some blocks, which are better.
namespace tessera::jobs {

class StudiedModel {
 public:
  virtual ~StudiedModel() = default;
  /// With the layers of @p kind (jobs/depth_groups.hpp) in @p blocks mended; no kind: with none.
  /// Valid until the next call.
  virtual evaluation::ScoredModel with_mended(Tile blocks, const std::string& kind) = 0;
};

/// Every layer as the method's own recipe makes it, roughly; the mended ones are as they were.
/// @pre every layer's measurement is committed (jobs/measure_recipes.hpp); what is given outlives
/// the model
class RoughModel final : public StudiedModel {
 public:
  RoughModel(const PreparedRun& prepared, const WorkFolder& work, const EqualizedWeights& original);
  evaluation::ScoredModel with_mended(Tile blocks, const std::string& kind) override;

 private:
  const model::ModelConfig& config_;
  Tile blocks_{0, 0};
  std::string kind_;
  ReplacedWeights weights_;
};

/// Every layer as it was solved, compensated at one k_chunk; the mended ones at another. @pre every
/// unit is committed, with its residual; what is given outlives the model
class CompensatedModel final : public StudiedModel {
 public:
  CompensatedModel(const PreparedRun& prepared, const WorkFolder& work,
                   const EqualizedWeights& original, std::uint64_t k_chunk,
                   std::uint64_t mended_k_chunk);
  evaluation::ScoredModel with_mended(Tile blocks, const std::string& kind) override;
  /// With these instead, by layer. Valid until the next call.
  evaluation::ScoredModel with(const std::map<std::string, std::uint64_t>& k_chunk_of);

 private:
  const PreparedRun& prepared_;
  const std::uint64_t k_chunk_, mended_k_chunk_;
  ReplacedWeights weights_;
  std::unique_ptr<const residual::ResidualSource> residuals_;
  std::optional<evaluation::Compensator> compensator_;
};

}  // namespace tessera::jobs
