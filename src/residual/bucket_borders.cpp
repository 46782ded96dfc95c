#include "residual/bucket_borders.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "residual/residual_layer.hpp"

namespace tessera::residual {
namespace {

constexpr std::size_t kTokenTile = 8, kChannelTile = 64;
constexpr std::size_t kSelectedAtB0 = 8;              // of each chunk
constexpr std::size_t kB0Share = 95, kB15Share = 80;  // of the tokens, in hundredths, lie below

/// Of @p count values in rising order, the one that @p share of a hundred are not above.
std::size_t place_of(std::size_t count, std::size_t share) {
  return (count - 1) * share / 100;
}

std::size_t channel_of_b0(std::size_t num_channels) {
  return std::max<std::size_t>(num_channels * kSelectedAtB0 / kChunk, 1) - 1;
}

/// Magnitudes of each token, the largest first.
Matrix<float> sorted_magnitudes(Threads& threads, MatrixView<const float> tokens) {
  Matrix<float> sorted(tokens.rows, tokens.cols);
  threads.for_each(num_tiles(tokens.rows, kTokenTile), [&](std::size_t task) {
    const Tile rows = tile_at(task, kTokenTile, tokens.rows);
    for (std::size_t t = rows.begin; t < rows.end; ++t) {
      const auto row = sorted.view().row_span(t);
      std::ranges::transform(tokens.row_span(t), row.begin(), [](float v) { return std::fabs(v); });
      std::ranges::sort(row, std::greater<>());
    }
  });
  return sorted;
}

}  // namespace

std::vector<float> bucket_borders(Threads& threads, MatrixView<const float> tokens) {
  std::vector<float> borders(tokens.cols);
  if (tokens.rows == 0 || tokens.cols == 0) return borders;
  const Matrix<float> sorted = sorted_magnitudes(threads, tokens);
  const std::size_t of_b0 = channel_of_b0(tokens.cols);
  float b0 = 0;
  threads.for_each(num_tiles(tokens.cols, kChannelTile), [&](std::size_t task) {
    const Tile channels = tile_at(task, kChannelTile, tokens.cols);
    std::vector<float> values(tokens.rows);
    const auto quantile = [&](std::size_t share) {
      const auto at = values.begin() + static_cast<std::ptrdiff_t>(place_of(values.size(), share));
      std::ranges::nth_element(values, at);
      return *at;
    };
    for (std::size_t j = channels.begin; j < channels.end; ++j) {
      for (std::size_t t = 0; t < tokens.rows; ++t) values[t] = sorted(t, j);
      borders[j] = quantile(kB15Share);
      if (j == of_b0) b0 = quantile(kB0Share);
    }
  });
  for (float& border : borders) border = std::min(border, b0);
  borders.front() = b0;
  return borders;
}

}  // namespace tessera::residual
