#include "jobs/gate/check_scores.hpp"

#include <cmath>

#include <fmt/core.h>

namespace tessera::jobs {
namespace {

constexpr const char* kNotScored = "nothing was scored";

void check_perplexity(const QualityScores& scores, const std::optional<double>& limit,
                      Verdict& verdict) {
  GateCheck& check = verdict.check("perplexity");
  check.limit = limit;
  if (!scores.original || !scores.quantized) {
    check.not_made = kNotScored;
    return;
  }
  const double before = scores.original->perplexity;
  const double after = scores.quantized->perplexity;
  const double ratio = after / before;
  check.num_looked_at = scores.quantized->num_tokens;
  check.value = ratio;
  if (!std::isfinite(before) || !std::isfinite(after)) {
    verdict.add("perplexity", "perplexity",
                fmt::format("the perplexity is {} (of the original {}): not a number a working "
                            "model has.",
                            after, before));
  } else if (limit && after > *limit * before) {
    verdict.add("perplexity", "perplexity",
                fmt::format("the perplexity is {:.3f}, {:.3f} times the original's {:.3f} "
                            "(evaluation.max_perplexity_ratio is {}).",
                            after, ratio, before, *limit));
  }
}

void check_divergence(const QualityScores& scores, const std::optional<double>& limit,
                      Verdict& verdict) {
  GateCheck& check = verdict.check("divergence");
  check.limit = limit;
  if (!scores.divergence) {
    check.not_made = kNotScored;
    return;
  }
  check.num_looked_at = scores.quantized ? scores.quantized->num_tokens : 0;
  check.value = *scores.divergence;
  if (!std::isfinite(*scores.divergence)) {
    verdict.add("divergence", "divergence",
                fmt::format("the divergence from the original is {} nats: not a number a working "
                            "model has.",
                            *scores.divergence));
  } else if (limit && *scores.divergence > *limit) {
    verdict.add(
        "divergence", "divergence",
        fmt::format("the next tokens diverge from the original's by {:.6g} nats in the mean "
                    "(evaluation.max_divergence is {}).",
                    *scores.divergence, *limit));
  }
}

}  // namespace

void check_scores(const QualityScores& scores, const EvaluationSettings& settings,
                  Verdict& verdict) {
  check_perplexity(scores, settings.max_perplexity_ratio, verdict);
  check_divergence(scores, settings.max_divergence, verdict);
}

}  // namespace tessera::jobs
