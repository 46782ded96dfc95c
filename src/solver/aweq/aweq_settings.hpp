#pragma once
#include "solver/integer/integer_settings.hpp"

namespace tessera::solver {

/// What a channel's range is: its extent, twice its largest magnitude, or twice its root mean
/// square, which single tokens do not decide.
enum class RangeKind { min_max, abs_max, rms };

/// Which scale balances inputs and weights: none; AWEQ's own formula; one member of the family
/// range_x^exponent / range_w^(1 - exponent); or the best of the family, found for each input.
enum class Equalize { none, aweq, fixed, search };

/// Where the mean output error comes from that biases take away: nowhere; the layer's own error and
/// the mean of its input in the original; or both models' outputs on the calibration samples, layer
/// after layer, each behind corrected ones.
enum class BiasCorrection { off, analytic, empirical };

/// Activation-weight equalization with bias correction (arXiv 2311.01305 as specified in aweq.md,
/// which says what is known of the paper and what is a reading of it).
struct AweqSettings {
  IntegerSettings integers;
  Equalize equalize = Equalize::search;
  RangeKind range = RangeKind::abs_max;  ///< with fixed
  double exponent = 0.5;                 ///< with fixed; with abs_max it is SmoothQuant's alpha
  BiasCorrection bias_correction = BiasCorrection::analytic;

  bool operator==(const AweqSettings&) const = default;
};

}  // namespace tessera::solver

namespace tessera {
template <>
struct EnumNames<solver::RangeKind> {
  static constexpr std::pair<solver::RangeKind, std::string_view> kNames[] = {
      {solver::RangeKind::min_max, "min_max"},
      {solver::RangeKind::abs_max, "abs_max"},
      {solver::RangeKind::rms, "rms"}};
};
template <>
struct EnumNames<solver::Equalize> {
  static constexpr std::pair<solver::Equalize, std::string_view> kNames[] = {
      {solver::Equalize::none, "none"},
      {solver::Equalize::aweq, "aweq"},
      {solver::Equalize::fixed, "fixed"},
      {solver::Equalize::search, "search"}};
};
template <>
struct EnumNames<solver::BiasCorrection> {
  static constexpr std::pair<solver::BiasCorrection, std::string_view> kNames[] = {
      {solver::BiasCorrection::off, "off"},
      {solver::BiasCorrection::analytic, "analytic"},
      {solver::BiasCorrection::empirical, "empirical"}};
};
}  // namespace tessera

namespace tessera::solver {

template <class Fields>
void describe(Fields& f, AweqSettings& s) {
  describe(f, s.integers);
  f("equalize", s.equalize, "how inputs and weights are balanced before rounding");
  f("range", s.range, "equalize: fixed: what a channel's range is");
  f("exponent", s.exponent,
    "equalize: fixed: share of the inputs' range that moves into the weights", between(0, 1),
    alias("alpha"), alias("smoothing_strength"));
  f("bias_correction", s.bias_correction,
    "remove the mean of the output error, where architecture and format have a bias: reckoned from "
    "the means of the inputs, or measured layer after layer (takes several calibrations' time)");
}

}  // namespace tessera::solver
