#pragma once
#include <cstdint>
#include <string>

#include "core/describe.hpp"

namespace tessera::residual {

enum class ScaleSearch { plain, weighted };

/// What may be fetched for each token. One of the two, or none: no layers are told apart.
struct BudgetSettings {
  std::uint64_t bytes_per_token = 0;
  std::string device;
  bool operator==(const BudgetSettings&) const = default;

  bool is_wanted() const { return bytes_per_token > 0 || !device.empty(); }
};

/// A job's section `residual`.
struct ResidualSettings {
  int bits = 0;     ///< of a residual's codes; 0: no residuals are made
  int k_chunk = 0;  ///< channels of 1024 that solvers count on being compensated; 0: on none
  ScaleSearch scale_search = ScaleSearch::weighted;
  double plain_share = 0.17;  ///< of the uncompensated error in what is minimized
  BudgetSettings budget;
  bool operator==(const ResidualSettings&) const = default;

  bool is_wanted() const { return bits > 0; }
};

template <class Fields>
void describe(Fields& f, BudgetSettings& s) {
  f("bytes_per_token", s.bytes_per_token,
    "bytes of residuals that may be fetched for each token; 0 for no budget", in_bytes());
  f("device", s.device,
    "a device by name instead, such as RTX 4090: what its bus is predicted to carry unnoticed");
}

template <class Fields>
void describe(Fields& f, ResidualSettings& s) {
  f("bits", s.bits, "bits of a residual's codes; 0 for no residual file", one_of({0, 2, 3, 4, 8}));
  f("k_chunk", s.k_chunk,
    "channels of each 1024 that will be compensated: solvers then minimize the error that is left; "
    "0 "
    "for a model that is good without compensation, too",
    between(0, 1024));
  f("scale_search", s.scale_search,
    "error that a residual's scales minimize: plain, as DecDEC's, or weighted by the inputs");
  f("budget", s.budget, "shares out what is fetched over the layers, by what it is worth there");
  f("plain_share", s.plain_share,
    "with k_chunk: what the error without compensation counts in what is minimized; the error with "
    "it "
    "counts the rest",
    between(0, 1));
}

}  // namespace tessera::residual

namespace tessera {
template <>
struct EnumNames<residual::ScaleSearch> {
  static constexpr std::pair<residual::ScaleSearch, std::string_view> kNames[] = {
      {residual::ScaleSearch::plain, "plain"}, {residual::ScaleSearch::weighted, "weighted"}};
};
}  // namespace tessera
