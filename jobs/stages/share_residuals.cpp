#include "jobs/stages/share_residuals.hpp"

#include <algorithm>
#include <memory>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "evaluation/original_predictions.hpp"
#include "jobs/loss_weights.hpp"
#include "jobs/studied_models.hpp"
#include "jobs/work_files.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::jobs {
namespace {

/// residual-budget/choice.h5: how the budget was shared out.
struct ResidualChoice {
  std::vector<std::uint64_t> k_chunk;  ///< by unit
  double divergence = 0;          ///< from the original on calibration samples, in nats a token
  double uniform_divergence = 0;  ///< the same with one k_chunk for all
};

template <class Archive>
void archive(Archive& a, ResidualChoice& c) {
  a("k_chunk", c.k_chunk);
  a("divergence", c.divergence);
  a("uniform_divergence", c.uniform_divergence);
}

/// What a layer is mended with: enough to stand out of the noise, not so much that the next bytes
/// would not pay alike.
std::uint64_t mended(std::uint64_t k_chunk) {
  constexpr std::uint64_t kTimes = 4, kAtLeast = 32;
  return std::min<std::uint64_t>(std::max(kTimes * k_chunk, kAtLeast), residual::kChunk);
}

class Sharing {
 public:
  Sharing(const PreparedRun& prepared, const WorkFolder& work,
          const std::vector<LayerReport>& layers)
      : prepared_(prepared),
        work_(work),
        layers_(layers),
        budget_(plan_residual_budget(prepared, layers)),
        study_{"assemble", kResidualStudy, kResidualStudySamples, kResidualStudyGroups,
               [this](const EqualizedWeights& original) { return compensated(original); }} {}

  const DivergenceStudy& study() const { return study_; }
  const ResidualBudget& budget() const { return budget_; }

  /// The best of some ways on the study's samples; one k_chunk for all is one of them.
  ResidualChoice choose(RunContext& run) const {
    const EqualizedWeights original(prepared_, work_);
    const auto model = compensated(original);
    const std::size_t samples = std::min(prepared_.num_samples(), study_.samples);
    const auto tokens =
        std::span(prepared_.calibration_tokens.tokens).first(samples * prepared_.sample_length());
    const evaluation::OriginalPredictions predictions(run.threads, prepared_.config, original,
                                                      tokens, prepared_.sample_length());
    GroupDivergence uniform;
    work_.load(divergence_file(study_, 0), "divergence", uniform);
    ResidualChoice best{of_units({}), uniform.of_all, uniform.of_all};
    for (const std::vector<double>& losses : {measured_losses(), sizes()}) {
      ResidualBudget shared = budget_;
      share_out(shared, prepared_, layers_, losses);
      Matrix<float> hidden = predictions.embedded(tokens);
      predictions.walk(run.threads, model->with(shared.k_chunk_of),
                       {0, prepared_.config.num_blocks}, hidden);
      const double divergence = predictions.divergence_of(run.threads, hidden);
      if (divergence < best.divergence) {
        best = {of_units(shared.k_chunk_of), divergence, uniform.of_all};
      }
    }
    return best;
  }

  ResidualBudget chosen(const ResidualChoice& choice) const {
    ResidualBudget budget = budget_;
    for (std::size_t u = 0; u < layers_.size(); ++u) {
      if (layers_[u].is_kept) continue;
      budget.k_chunk_of[prepared_.units[u].layer.name] = choice.k_chunk.at(u);
    }
    return budget;
  }

 private:
  std::unique_ptr<CompensatedModel> compensated(const EqualizedWeights& original) const {
    return std::make_unique<CompensatedModel>(prepared_, work_, original, budget_.uniform_k_chunk,
                                              mended(budget_.uniform_k_chunk));
  }

  std::vector<double> measured_losses() const {
    std::vector<double> errors, removed;
    for (const LayerReport& layer : layers_) {
      errors.push_back(error_left(layer, budget_.uniform_k_chunk));
      const double after = error_left(layer, mended(budget_.uniform_k_chunk));
      removed.push_back(std::max(errors.back() - after, 0.0));
    }
    return losses_of_units(prepared_, work_, study_, errors, removed);
  }

  /// Where all weights are alike.
  std::vector<double> sizes() const {
    std::vector<double> sizes;
    for (const LayerReport& layer : layers_) {
      sizes.push_back(static_cast<double>(layer.in_features * layer.out_features));
    }
    return sizes;
  }

  std::vector<std::uint64_t> of_units(
      const std::map<std::string, std::uint64_t>& k_chunk_of) const {
    std::vector<std::uint64_t> k_chunks;
    for (const LayerUnit& unit : prepared_.units) {
      const auto found = k_chunk_of.find(unit.layer.name);
      k_chunks.push_back(found == k_chunk_of.end() ? budget_.uniform_k_chunk : found->second);
    }
    return k_chunks;
  }

  const PreparedRun& prepared_;
  const WorkFolder& work_;
  const std::vector<LayerReport>& layers_;
  const ResidualBudget budget_;
  const DivergenceStudy study_;
};

}  // namespace

std::optional<ResidualBudget> share_residuals(RunContext& run, const PreparedRun& prepared,
                                              WorkFolder& work,
                                              const std::vector<LayerReport>& layers) {
  if (!prepared.job.residual.budget.is_wanted()) return std::nullopt;
  const Sharing sharing(prepared, work, layers);
  const std::string file = fmt::format("{}/choice.h5", kResidualStudy);
  if (!work.is_committed(file)) {
    measure_divergences(run, prepared, work, sharing.study());
    cluster::on_first_rank(run.comm,
                           [&] { work.commit(file, "residual_choice", sharing.choose(run)); });
    work.refresh();
  }
  ResidualChoice choice;
  work.load(file, "residual_choice", choice);
  run.log.info(fmt::format(
      "residuals of {} bytes a token: divergence {:.4f} nats on calibration samples, {:.4f} with "
      "k_chunk {} for all",
      sharing.budget().bytes_per_token, choice.divergence, choice.uniform_divergence,
      sharing.budget().uniform_k_chunk));
  return sharing.chosen(choice);
}

}  // namespace tessera::jobs
