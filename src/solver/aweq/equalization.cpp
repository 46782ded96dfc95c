#include "solver/aweq/equalization.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "solver/aweq/scale_trial.hpp"

namespace tessera::solver {
namespace {

constexpr float kLeast = 1e-5f, kMost = 1e5f;

float input_range(const SharedInput& input, RangeKind kind, std::size_t j) {
  switch (kind) {
    case RangeKind::min_max:
      return input.maximum[j] - input.minimum[j];
    case RangeKind::abs_max:
      return std::max(std::fabs(input.minimum[j]), std::fabs(input.maximum[j]));
    case RangeKind::rms:
      return static_cast<float>(std::sqrt(std::max(input.hessian(j, j), 0.0)));
  }
  throw Bug("a RangeKind without a range");
}

std::string_view name_of(RangeKind kind) {
  for (const auto& [named, name] : EnumNames<RangeKind>::kNames) {
    if (named == kind) return name;
  }
  throw Bug("a RangeKind without a name");
}

/// Extremes of the weights of each channel, over all consumers.
class WeightRanges {
 public:
  explicit WeightRanges(const SharedInput& input)
      : low_(input.minimum.size()), high_(low_.size()), squares_(low_.size()) {
    for (const auto& weight : input.consumers) {
      for (std::size_t i = 0; i < weight.rows; ++i) add(weight.row_span(i));
      num_rows_ += weight.rows;
    }
  }
  float range(RangeKind kind, std::size_t j) const {
    switch (kind) {
      case RangeKind::min_max:
        return high_[j] - low_[j];
      case RangeKind::abs_max:
        return std::max(-low_[j], high_[j]);
      case RangeKind::rms:
        return static_cast<float>(std::sqrt(squares_[j] / static_cast<double>(num_rows_)));
    }
    throw Bug("a RangeKind without a range");
  }

 private:
  void add(std::span<const float> row) {
    for (std::size_t j = 0; j < row.size(); ++j) {
      low_[j] = num_seen_ == 0 ? row[j] : std::min(low_[j], row[j]);
      high_[j] = num_seen_ == 0 ? row[j] : std::max(high_[j], row[j]);
      squares_[j] += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    }
    ++num_seen_;
  }
  std::vector<float> low_, high_;
  std::vector<double> squares_;
  std::size_t num_rows_ = 0, num_seen_ = 0;
};

void require_finite(const SharedInput& input, float range, std::size_t channel, const char* whose) {
  if (std::isfinite(range)) return;
  throw InputError(fmt::format(
      "{}: the range of channel {}'s {} is {} (a scale needs a finite one). Look at the weights "
      "of this layer and those before it.",
      input.name, channel, whose, range));
}

}  // namespace

std::string ScaleRule::to_text() const {
  if (is_identity) return "none";
  return fmt::format("{} ^ {:.2f}", name_of(range), exponent);
}

std::vector<float> equalizing_scale(const SharedInput& input, const ScaleRule& rule) {
  const std::size_t n = input.minimum.size();
  std::vector<float> scale(n, 1.0f);
  if (rule.is_identity) return scale;
  const WeightRanges weights(input);
  const auto owner = [&](std::size_t j) { return input.scale_of.empty() ? j : input.scale_of[j]; };
  std::vector<float> of_input(n), of_weight(n);
  for (std::size_t j = 0; j < n; ++j) {
    const float x = input_range(input, rule.range, j), w = weights.range(rule.range, j);
    require_finite(input, x, j, "inputs");
    require_finite(input, w, j, "weights");
    of_input[owner(j)] = std::max(of_input[owner(j)], x);
    of_weight[owner(j)] = std::max(of_weight[owner(j)], w);
  }
  const auto exponent = static_cast<float>(rule.exponent);
  for (std::size_t j = 0; j < n; ++j) {
    const float x = of_input[owner(j)], w = of_weight[owner(j)];
    if (x == 0 || w == 0) continue;
    scale[j] = std::clamp(std::pow(x, exponent) / std::pow(w, 1.0f - exponent), kLeast, kMost);
  }
  return scale;
}

Equalization equalize(Threads& threads, const SharedInput& input, const AweqSettings& settings,
                      StoredType scale_type) {
  ScaleTrial trial(threads, input, settings.integers, scale_type);
  Equalization best;
  best.plain_error = best.error = trial.error(equalizing_scale(input, {}));
  const auto consider = [&](const ScaleRule& rule) {
    std::vector<float> scale = equalizing_scale(input, rule);
    const double error = trial.error(scale);
    if (!best.scale.empty() && !(error < best.error)) return;
    if (settings.equalize == Equalize::search && !(error < best.error)) return;
    best.scale = std::move(scale);
    best.rule = rule;
    best.error = error;
  };
  switch (settings.equalize) {
    case Equalize::none:
      return best;
    case Equalize::aweq:
      consider(kAweqRule);
      return best;
    case Equalize::fixed:
      consider({false, settings.range, settings.exponent});
      return best;
    case Equalize::search:
      break;
  }
  for (const RangeKind range : {RangeKind::min_max, RangeKind::abs_max, RangeKind::rms}) {
    for (const double exponent : {0.5, 0.25, 0.75, 0.0, 1.0}) consider({false, range, exponent});
  }
  if (best.scale.empty()) return best;
  const ScaleRule coarse = best.rule;
  for (const double step : {-0.20, -0.15, -0.10, -0.05, 0.05, 0.10, 0.15, 0.20}) {
    const double exponent = coarse.exponent + step;
    if (exponent >= 0 && exponent <= 1) consider({false, coarse.range, exponent});
  }
  return best;
}

}  // namespace tessera::solver
