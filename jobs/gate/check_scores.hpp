#pragma once
#include <optional>

#include "evaluation/divergence.hpp"
#include "jobs/gate/verdict.hpp"
#include "jobs/settings/job_settings.hpp"

namespace tessera::jobs {

/// What the packed model is worth beside its original, where the job names a text.
struct QualityScores {
  std::optional<evaluation::Perplexity> original, quantized;
  std::optional<double> divergence;  ///< mean, in nats
};

/// "perplexity": finite, and within evaluation.max_perplexity_ratio of the original's.
/// "divergence": finite, and within evaluation.max_divergence.
void check_scores(const QualityScores& scores, const EvaluationSettings& settings,
                  Verdict& verdict);

}  // namespace tessera::jobs
