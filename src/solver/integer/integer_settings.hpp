#pragma once
#include <string_view>
#include <utility>

#include "core/describe.hpp"

namespace tessera::solver {

/// Bits of the weights and of the inputs: W4A16 keeps inputs as they are.
enum class Scheme { w8a8, w8a16, w4a16, w3a16, w2a16 };

/// What shares a scale.
enum class Granularity { tensor, channel, group };

/// How a weight finds its integer: the nearest, or with each column's error pushed onto the columns
/// not yet done.
enum class Rounding { rtn, gptq };

/// How an engine finds the scale of an 8-bit input: for each token as it comes, or one for the
/// layer from calibration.
enum class InputScale { dynamic_token, static_symmetric, static_asymmetric };

/// Integers with shared scales, by rounding alone or second-order column updates (aweq.md section
/// 4).
struct IntegerSettings {
  Scheme scheme = Scheme::w4a16;
  Granularity granularity = Granularity::group;  ///< W8A8 knows channel and tensor only
  int group_size = 128;   ///< columns that share a scale, with granularity group
  bool symmetric = true;  ///< zero points fixed in the middle
  Rounding rounding = Rounding::gptq;
  bool activation_order =
      true;  ///< columns with the largest inputs first; scales stay those of neighbours
  bool search_range = true;  ///< try narrower ranges than that of the weights
  int refine_rounds = 3;     ///< of scale re-estimation and a sweep over the columns
  InputScale input_scale = InputScale::dynamic_token;  ///< W8A8 alone

  bool operator==(const IntegerSettings&) const = default;

  int bits() const;
  bool quantizes_input() const { return scheme == Scheme::w8a8; }
  Granularity effective_granularity() const {
    return quantizes_input() && granularity == Granularity::group ? Granularity::channel
                                                                  : granularity;
  }
};

}  // namespace tessera::solver

namespace tessera {
template <>
struct EnumNames<solver::Scheme> {
  static constexpr std::pair<solver::Scheme, std::string_view> kNames[] = {
      {solver::Scheme::w8a8, "W8A8"},
      {solver::Scheme::w8a16, "W8A16"},
      {solver::Scheme::w4a16, "W4A16"},
      {solver::Scheme::w3a16, "W3A16"},
      {solver::Scheme::w2a16, "W2A16"}};
};
template <>
struct EnumNames<solver::Granularity> {
  static constexpr std::pair<solver::Granularity, std::string_view> kNames[] = {
      {solver::Granularity::tensor, "tensor"},
      {solver::Granularity::channel, "channel"},
      {solver::Granularity::group, "group"}};
};
template <>
struct EnumNames<solver::Rounding> {
  static constexpr std::pair<solver::Rounding, std::string_view> kNames[] = {
      {solver::Rounding::rtn, "rtn"}, {solver::Rounding::gptq, "gptq"}};
};
template <>
struct EnumNames<solver::InputScale> {
  static constexpr std::pair<solver::InputScale, std::string_view> kNames[] = {
      {solver::InputScale::dynamic_token, "dynamic"},
      {solver::InputScale::static_symmetric, "static"},
      {solver::InputScale::static_asymmetric, "static_asymmetric"}};
};
}  // namespace tessera

namespace tessera::solver {

template <class Fields>
void describe(Fields& f, IntegerSettings& s) {
  f("scheme", s.scheme, "bits of weights and inputs; A16 leaves the inputs as they are");
  f("granularity", s.granularity, "what shares a scale; with W8A8, group means channel");
  f("group_size", s.group_size,
    "consecutive input columns that share a scale, with granularity group", at_least(1),
    alias("groupsize"), alias("q_group_size"));
  f("symmetric", s.symmetric, "zero points fixed in the middle of the range", alias("sym"));
  f("rounding", s.rounding, "to the nearest, or pushing errors on (GPTQ)");
  f("activation_order", s.activation_order, "GPTQ takes the columns with the largest inputs first",
    alias("desc_act"), alias("act_order"), alias("actorder"));
  f("search_range", s.search_range, "try ranges narrower than that of the weights", alias("mse"));
  f("refine_rounds", s.refine_rounds,
    "rounds of scale re-estimation and a sweep over the columns, after GPTQ's column pass",
    at_least(0));
  f("input_scale", s.input_scale, "W8A8: how engines scale a layer's input");
}

}  // namespace tessera::solver
