#include "calibration/sorted_maximum.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "core/error.hpp"
#include "core/threads.hpp"

namespace tessera::calibration {
namespace {

constexpr std::size_t kLanes = 16;

constexpr std::int32_t kMagnitude = 0x7fffffff;  // all bits of a float but the sign

/// One channel of sixteen rows. Magnitudes are kept as their bits: floats without sign order like
/// integers, and integers have a maximum that compilers turn into one instruction.
using Lanes = std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t))));

Lanes larger(Lanes a, Lanes b) {
  return a > b ? a : b;
}
Lanes smaller(Lanes a, Lanes b) {
  return a > b ? b : a;
}

/// The larger of each pair to @p first.
void compare_exchange(Lanes& first, Lanes& second) {
  const Lanes a = first;
  const Lanes b = second;
  first = larger(a, b);
  second = smaller(a, b);
}

/// Sorts channels downwards in every lane (Knuth, TAOCP 3, algorithm 5.2.2M, merge exchange; any
/// length).
void sort_downwards(std::span<Lanes> channels) {
  const std::size_t n = channels.size();
  if (n < 2) return;
  const std::size_t top = std::bit_ceil(n) / 2;
  for (std::size_t p = top; p > 0; p /= 2) {
    std::size_t r = 0;
    std::size_t d = p;
    for (std::size_t q = top;; q /= 2) {
      // Pairs (i, i + d) whose i has bit p equal to r's: runs of p, every 2 p.
      for (std::size_t run = r; run + d < n; run += 2 * p) {
        const std::size_t end = std::min(run + p, n - d);
        for (std::size_t i = run; i < end; ++i) compare_exchange(channels[i], channels[i + d]);
      }
      if (q == p) break;
      d = q - p;
      r = p;
    }
  }
}

/// Lane l of channel j is |rows(l, j)|; lanes without a row are 0 and raise nothing. In squares, so
/// that what is written stays in the cache.
void load_magnitudes(MatrixView<const float> rows, std::span<Lanes> channels) {
  float square[kLanes][kLanes] = {};  // (channel, row)
  for (std::size_t j = 0; j < channels.size(); j += kLanes) {
    const std::size_t width = std::min(kLanes, channels.size() - j);
    for (std::size_t l = 0; l < rows.rows; ++l) {
      const float* row = rows.row(l) + j;
      for (std::size_t c = 0; c < width; ++c) square[c][l] = row[c];
    }
    std::memcpy(&channels[j], square, width * sizeof(Lanes));
    for (std::size_t c = 0; c < width; ++c) channels[j + c] &= kMagnitude;
  }
}

}  // namespace

void raise_to_sorted_magnitudes(MatrixView<const float> x, std::span<float> maximum) {
  require(maximum.size() == x.cols, "one maximum a channel");
  std::vector<Lanes> channels(x.cols);
  std::vector<Lanes> raised(x.cols);
  for (std::size_t group = 0; group < num_tiles(x.rows, kLanes); ++group) {
    const Tile rows = tile_at(group, kLanes, x.rows);
    load_magnitudes(x.middle_rows(rows.begin, rows.size()), channels);
    sort_downwards(channels);
    for (std::size_t k = 0; k < channels.size(); ++k) raised[k] = larger(raised[k], channels[k]);
  }
  for (std::size_t k = 0; k < maximum.size(); ++k) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      maximum[k] = std::max(maximum[k], std::bit_cast<float>(raised[k][l]));
    }
  }
}

void raise_to_sorted_magnitudes_reference(MatrixView<const float> x, std::span<float> maximum) {
  require(maximum.size() == x.cols, "one maximum a channel");
  std::vector<float> sorted(x.cols);
  for (std::size_t i = 0; i < x.rows; ++i) {
    std::transform(x.row(i), x.row(i) + x.cols, sorted.begin(),
                   [](float v) { return std::fabs(v); });
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (std::size_t k = 0; k < sorted.size(); ++k) maximum[k] = std::max(maximum[k], sorted[k]);
  }
}

}  // namespace tessera::calibration
