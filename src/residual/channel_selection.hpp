#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/describe.hpp"

namespace tessera::residual {

/// How the channels of a token are chosen. All but `global`, `fixed` and `random` choose within
/// chunks of 1024 neighbours; a last chunk of r takes floor(k_chunk r / 1024).
enum class SelectionRule {
  exact,   ///< the largest |x_j| of each chunk
  bucket,  ///< DecDEC's 32 buckets; the one that overflows gives its first channels
  global,  ///< the largest |x_j| of all channels
  fixed,   ///< those with the largest mean x_j^2, for every token the same ("static")
  random,  ///< any, drawn anew for each token
  scaled   ///< the largest |x_j| * norm of the channel's residual, of each chunk
};

/// What rules know of a layer's channels beside the token: views of a ResidualLayer's arrays, which
/// outlive the selector. A rule that does not need one leaves it alone.
struct ChannelFacts {
  std::span<const float> top_magnitude;         ///< bucket
  std::span<const float> column_norm;           ///< scaled
  std::span<const std::uint32_t> static_order;  ///< fixed
};

/// Channels compensated of @p num_channels at @p k_chunk of each 1024: floor(k_chunk n / 1024).
std::size_t num_selected(std::size_t num_channels, std::size_t k_chunk);

/// Chooses a token's channels. Deterministic: between equals the lowest channel wins, and random
/// numbers are drawn by counter. May be used by several threads at once.
class ChannelSelector {
 public:
  /// @param name of the layer, for the random numbers
  /// @pre k_chunk <= 1024, and the facts that @p rule needs are of num_channels
  ChannelSelector(SelectionRule rule, std::size_t num_channels, std::size_t k_chunk,
                  const ChannelFacts& facts, const std::string& name = "");

  std::size_t num_selected() const { return num_selected_; }

  /// Marks the chosen channels of @p x with 1, the others with 0.
  /// @param token numbers the token, for random choice
  /// @pre x.size() == chosen.size() == num_channels
  void select(std::span<const float> x, std::uint64_t token, std::span<std::uint8_t> chosen) const;

 private:
  void select_largest(std::span<const float> x, std::span<std::uint8_t> chosen) const;
  void select_buckets(std::span<const float> x, std::span<std::uint8_t> chosen) const;
  void select_random(std::uint64_t token, std::span<std::uint8_t> chosen) const;

  SelectionRule rule_;
  std::size_t k_chunk_, num_selected_;
  ChannelFacts facts_;
  std::vector<float> floors_;        // of the buckets, falling
  std::vector<std::uint8_t> fixed_;  // the choice that is the same for all tokens
  std::uint64_t seed_ = 0;
};

/// The floors of DecDEC's 32 buckets from the largest magnitude and the k-th largest (qdec.md
/// section 2): bucket 0 holds what is at least b0, buckets 1 to 15 split [b15, b0), buckets 16 to
/// 31 split [0, b15).
std::vector<float> bucket_floors(float b0, float b15);

/// Which of the largest channels by the definition: sorts all. The oracle of `exact`.
std::vector<std::uint32_t> largest_channels_reference(std::span<const float> x, std::size_t k);

}  // namespace tessera::residual

namespace tessera {
template <>
struct EnumNames<residual::SelectionRule> {
  using Rule = residual::SelectionRule;
  static constexpr std::pair<Rule, std::string_view> kNames[] = {
      {Rule::exact, "exact"},  {Rule::bucket, "bucket"}, {Rule::global, "global"},
      {Rule::fixed, "static"}, {Rule::random, "random"}, {Rule::scaled, "scaled"}};
};
}  // namespace tessera
