#include "residual/channel_selection.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/error.hpp"
#include "core/matrix.hpp"
#include "core/random.hpp"
#include "core/threads.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::residual {
namespace {

constexpr std::size_t kBuckets = 32;

/// Magnitudes as integers in the same order: no comparison of floats in the inner loop, and a place
/// for NaN, which is above all.
std::uint32_t magnitude_bits(float value) {
  return std::bit_cast<std::uint32_t>(value) & 0x7fffffffU;
}

/// Marks the @p k largest of @p magnitudes, the lowest of equals first. @p scratch: as long.
void mark_largest(std::span<const std::uint32_t> magnitudes, std::size_t k,
                  std::vector<std::uint32_t>& scratch, std::span<std::uint8_t> chosen) {
  if (k == 0) {
    std::ranges::fill(chosen, std::uint8_t{0});
    return;
  }
  scratch.assign(magnitudes.begin(), magnitudes.end());
  const auto at = scratch.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(scratch.begin(), at, scratch.end(), std::greater<>());
  const std::uint32_t smallest = *at;
  std::size_t num_above = 0;
  for (std::size_t j = 0; j < magnitudes.size(); ++j) {
    chosen[j] = magnitudes[j] > smallest ? 1 : 0;
    num_above += chosen[j];
  }
  std::size_t left = k - num_above;
  for (std::size_t j = 0; left > 0; ++j) {
    if (magnitudes[j] != smallest) continue;
    chosen[j] = 1;
    --left;
  }
}

}  // namespace

std::size_t num_selected(std::size_t num_channels, std::size_t k_chunk) {
  return num_channels * k_chunk / kChunk;
}

std::vector<float> bucket_floors(float b0, float b15) {
  std::vector<float> floors(kBuckets);
  for (std::size_t t = 0; t < kBuckets / 2; ++t) {
    floors[t] = b0 + (b15 - b0) * static_cast<float>(t) / 15.0F;
    floors[t + kBuckets / 2] = b15 * static_cast<float>(15 - t) / 16.0F;
  }
  return floors;
}

ChannelSelector::ChannelSelector(SelectionRule rule, std::size_t num_channels, std::size_t k_chunk,
                                 const ChannelFacts& facts, const std::string& name)
    : rule_(rule),
      k_chunk_(k_chunk),
      num_selected_(residual::num_selected(num_channels, k_chunk)),
      facts_(facts) {
  require(k_chunk <= kChunk, "no more channels of a chunk are chosen than it has");
  if (rule == SelectionRule::bucket && num_selected_ > 0) {
    require(facts.top_magnitude.size() == num_channels, "buckets have borders");
    floors_ = bucket_floors(facts.top_magnitude[0], facts.top_magnitude[num_selected_ - 1]);
  }
  if (rule == SelectionRule::scaled) {
    require(facts.column_norm.size() == num_channels, "each channel has a norm");
  }
  if (rule == SelectionRule::fixed) {
    require(facts.static_order.size() == num_channels, "each channel has a place in the order");
    fixed_.assign(num_channels, 0);
    for (std::size_t i = 0; i < num_selected_; ++i) fixed_.at(facts.static_order[i]) = 1;
  }
  if (rule == SelectionRule::random) seed_ = CounterRandom(0, name, "channels").bits(0);
}

void ChannelSelector::select(std::span<const float> x, std::uint64_t token,
                             std::span<std::uint8_t> chosen) const {
  switch (rule_) {
    case SelectionRule::fixed:
      std::ranges::copy(fixed_, chosen.begin());
      return;
    case SelectionRule::random:
      select_random(token, chosen);
      return;
    case SelectionRule::bucket:
      select_buckets(x, chosen);
      return;
    default:
      select_largest(x, chosen);
  }
}

void ChannelSelector::select_largest(std::span<const float> x,
                                     std::span<std::uint8_t> chosen) const {
  thread_local std::vector<std::uint32_t> magnitudes, scratch;
  magnitudes.resize(x.size());
  for (std::size_t j = 0; j < x.size(); ++j) {
    magnitudes[j] =
        magnitude_bits(rule_ == SelectionRule::scaled ? x[j] * facts_.column_norm[j] : x[j]);
  }
  if (rule_ == SelectionRule::global) {
    mark_largest(magnitudes, num_selected_, scratch, chosen);
    return;
  }
  const std::span all(magnitudes);
  for (std::size_t c = 0; c < num_tiles(x.size(), kChunk); ++c) {
    const Tile chunk = tile_at(c, kChunk, x.size());
    mark_largest(all.subspan(chunk.begin, chunk.size()),
                 residual::num_selected(chunk.size(), k_chunk_), scratch,
                 chosen.subspan(chunk.begin, chunk.size()));
  }
}

void ChannelSelector::select_buckets(std::span<const float> x,
                                     std::span<std::uint8_t> chosen) const {
  std::ranges::fill(chosen, std::uint8_t{0});
  if (num_selected_ == 0) return;
  thread_local std::vector<std::uint8_t> bucket;
  bucket.resize(x.size());
  for (std::size_t c = 0; c < num_tiles(x.size(), kChunk); ++c) {
    const Tile chunk = tile_at(c, kChunk, x.size());
    std::size_t sizes[kBuckets] = {};
    for (std::size_t j = chunk.begin; j < chunk.end; ++j) {
      const float magnitude = std::fabs(x[j]);
      std::size_t b = 0;  // as many floors as lie above it; the last floor is 0
      for (std::size_t t = 0; t + 1 < kBuckets; ++t) b += magnitude < floors_[t] ? 1 : 0;
      bucket[j] = static_cast<std::uint8_t>(b);
      ++sizes[b];
    }
    std::size_t left = residual::num_selected(chunk.size(), k_chunk_), last = 0;
    while (last < kBuckets && sizes[last] <= left) left -= sizes[last++];
    for (std::size_t j = chunk.begin; j < chunk.end; ++j) {
      const bool is_first_arrival = bucket[j] == last && left > 0;
      if (is_first_arrival) --left;
      chosen[j] = bucket[j] < last || is_first_arrival ? 1 : 0;
    }
  }
}

void ChannelSelector::select_random(std::uint64_t token, std::span<std::uint8_t> chosen) const {
  std::ranges::fill(chosen, std::uint8_t{0});
  const CounterRandom random(seed_ + token, "token", "channels");
  // Floyd's sampling without replacement: the i-th draw is of n - k + i + 1 channels.
  const std::size_t n = chosen.size();
  for (std::size_t i = 0; i < num_selected_; ++i) {
    const std::size_t last = n - num_selected_ + i;
    const std::size_t drawn = random.below(i, last + 1);
    chosen[chosen[drawn] == 0 ? drawn : last] = 1;
  }
}

std::vector<std::uint32_t> largest_channels_reference(std::span<const float> x, std::size_t k) {
  std::vector<std::uint32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(
      order, [&](std::uint32_t a, std::uint32_t b) { return std::fabs(x[a]) > std::fabs(x[b]); });
  order.resize(k);
  std::ranges::sort(order);
  return order;
}

}  // namespace tessera::residual
