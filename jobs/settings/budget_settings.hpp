#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "core/describe.hpp"
#include "solver/integer/integer_settings.hpp"

namespace tessera::jobs {

/// How a layer may be quantized: what differs from the method's settings. Those of vptq, then those
/// of methods that make integers.
struct RecipeChange {
  std::optional<int> vector_len, num_centroids, num_res_centroids, num_groups;
  std::optional<solver::Scheme> scheme;
  std::optional<int> group_size;
  bool operator==(const RecipeChange&) const = default;
};

/// What the choice makes least.
enum class LossMeasure {
  divergence,      ///< what errors do to the model's predictions, measured by kind and depth
  output_error,    ///< tr(E H E^T), the sum over the layers
  relative_error,  ///< tr(E H E^T) / tr(W H W^T), the sum over the layers
};

/// Bits where they pay: a recipe for each layer under one budget for all
/// (jobs/stages/allocate.hpp).
struct BudgetSettings {
  double bits_per_weight = 0;  ///< of the quantized layers, everything counted; 0: no budget
  std::vector<RecipeChange> candidates;  ///< empty: recipes around the method's own
  LossMeasure measure = LossMeasure::divergence;
  int samples = 2;       ///< calibration samples on which divergences are measured
  int depth_groups = 6;  ///< groups of blocks that divergences are told apart for
  bool operator==(const BudgetSettings&) const = default;

  bool is_wanted() const { return bits_per_weight > 0; }
};

}  // namespace tessera::jobs

namespace tessera {
template <>
struct EnumNames<jobs::LossMeasure> {
  static constexpr std::pair<jobs::LossMeasure, std::string_view> kNames[] = {
      {jobs::LossMeasure::divergence, "divergence"},
      {jobs::LossMeasure::output_error, "output_error"},
      {jobs::LossMeasure::relative_error, "relative_error"}};
};
}  // namespace tessera

namespace tessera::jobs {

template <class Fields>
void describe(Fields& f, RecipeChange& s) {
  f("vector_len", s.vector_len, "of vptq", between(1, 16));
  f("num_centroids", s.num_centroids, "of vptq", power_of_two(2, 65536));
  f("num_res_centroids", s.num_res_centroids, "of vptq; 0 for no residual codebook",
    zero_or(power_of_two(2, 65536)));
  f("num_groups", s.num_groups, "of vptq", at_least(1));
  f("scheme", s.scheme, "of a method that makes integers");
  f("group_size", s.group_size, "of a method that makes integers", at_least(1));
}

template <class Fields>
void describe(Fields& f, BudgetSettings& s) {
  f("bits_per_weight", s.bits_per_weight,
    "stored bits of all quantized layers for each of their weights, at most: indices, codebooks, "
    "scales, norms and, where residuals are made, their files; 0 for no budget",
    between(0, 32));
  f("candidates", s.candidates,
    "what may differ from the method's settings, which are a candidate themselves; empty for some "
    "around them");
  f("measure", s.measure,
    "what is made least: divergence weighs a layer's error by what errors of its kind and depth do "
    "to the model's predictions");
  f("samples", s.samples, "calibration samples on which divergences are measured", at_least(1));
  f("depth_groups", s.depth_groups,
    "groups of neighbouring blocks; a divergence is measured for each kind of layer in each",
    at_least(1));
}

}  // namespace tessera::jobs
