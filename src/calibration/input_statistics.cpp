#include "calibration/input_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/error.hpp"
#include "linalg/syrk.hpp"
#include "residual/channel_selection.hpp"

namespace tessera::calibration {
namespace {

constexpr std::size_t kChannelTile =
    128;  // a task of the per-channel sums: whole columns, so tokens add in order
constexpr std::size_t kRowTile = 256;  // a task of what rows do for themselves
constexpr float kInfinity = std::numeric_limits<float>::infinity();

[[noreturn]] void refuse_non_finite(MatrixView<const float> x) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) {
      if (std::isfinite(x(i, j))) continue;
      throw InputError(fmt::format(
          "the layer's input is {} at row {}, channel {} (calibration needs finite activations). "
          "Look at the weights of the layers before it.",
          x(i, j), i, j));
    }
  }
  throw Bug("no value is infinite or NaN after all");
}

/// A zero times a value is zero unless the value is infinite or NaN; sixteen sums, so that they
/// vectorize.
bool all_finite(const float* values, std::size_t count) {
  constexpr std::size_t kLanes = 16;
  float sums[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) sums[l] += 0.0F * values[j + l];
  }
  for (; j < count; ++j) sums[0] += 0.0F * values[j];
  return std::all_of(sums, sums + kLanes, [](float sum) { return sum == 0.0F; });
}

bool all_finite(MatrixView<const float> x) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    if (!all_finite(x.row(i), x.cols)) return false;
  }
  return true;
}

/// Sums, minima and maxima of the channels of a tile.
void add_channels(InputStatistics& statistics, MatrixView<const float> x, Tile channels) {
  double* sum = statistics.sum.data();
  float* minimum = statistics.minimum.data();
  float* maximum = statistics.maximum.data();
  for (std::size_t i = 0; i < x.rows; ++i) {
    const float* row = x.row(i);
    for (std::size_t j = channels.begin; j < channels.end; ++j) {
      sum[j] += row[j];
      minimum[j] = std::min(minimum[j], row[j]);
      maximum[j] = std::max(maximum[j], row[j]);
    }
  }
}

void raise_each(std::vector<float>& values, const std::vector<float>& others) {
  for (std::size_t j = 0; j < values.size(); ++j) values[j] = std::max(values[j], others[j]);
}

/// The second moment of tokens whose largest channels are compensated, and so gone.
void add_what_is_left(Threads& threads, MatrixView<const float> x, std::size_t k_chunk,
                      Matrix<double>& sum) {
  const residual::ChannelSelector selector(residual::SelectionRule::exact, x.cols, k_chunk, {});
  Matrix<float> left(x.rows, x.cols);
  threads.for_each(num_tiles(x.rows, kRowTile), [&](std::size_t task) {
    const Tile rows = tile_at(task, kRowTile, x.rows);
    std::vector<std::uint8_t> chosen(x.cols);
    for (std::size_t i = rows.begin; i < rows.end; ++i) {
      selector.select(x.row_span(i), 0, chosen);
      for (std::size_t j = 0; j < x.cols; ++j) left(i, j) = chosen[j] != 0 ? 0.0F : x(i, j);
    }
  });
  linalg::add_outer_products(threads, left, sum);
}

/// The same of rows that are those of some tokens only.
void note_listed_tokens(InputStatistics& statistics, MatrixView<const float> x, BatchPlace place) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    if (place.tokens[i] % place.length != 0) continue;
    for (std::size_t j = 0; j < x.cols; ++j) {
      statistics.first_sum[j] += static_cast<double>(x(i, j));
    }
    ++statistics.num_first;
  }
  for (std::size_t r = 0; r < statistics.extras.sample.num_rows; ++r) {
    const std::size_t sample = statistics.extras.sample.sample_of(r);
    if (sample < place.first_sample) continue;
    const std::size_t token =
        (sample - place.first_sample) * place.length + statistics.extras.sample.position_of(r);
    const auto found = std::ranges::lower_bound(place.tokens, token);
    if (found == place.tokens.end() || *found != token) continue;
    std::ranges::copy(x.row_span(static_cast<std::size_t>(found - place.tokens.begin())),
                      statistics.token_rows.row(r));
  }
}

/// The first token of every sample, and those whose rows are kept.
void note_single_tokens(InputStatistics& statistics, MatrixView<const float> x, BatchPlace place) {
  if (place.length == 0) return;
  if (!place.tokens.empty()) return note_listed_tokens(statistics, x, place);
  const std::size_t num_samples = x.rows / place.length;
  for (std::size_t s = 0; s < num_samples; ++s) {
    const float* first = x.row(s * place.length);
    for (std::size_t j = 0; j < x.cols; ++j)
      statistics.first_sum[j] += static_cast<double>(first[j]);
  }
  statistics.num_first += num_samples;
  for (std::size_t r = 0; r < statistics.extras.sample.num_rows; ++r) {
    const std::size_t sample = statistics.extras.sample.sample_of(r);
    if (sample < place.first_sample || sample >= place.first_sample + num_samples) continue;
    const std::size_t row =
        (sample - place.first_sample) * place.length + statistics.extras.sample.position_of(r);
    std::ranges::copy(x.row_span(row), statistics.token_rows.row(r));
  }
}

}  // namespace

InputStatistics::InputStatistics(std::size_t num_channels, StatisticsExtras wanted)
    : hessian{0, Matrix<double>(num_channels, num_channels)},
      sum(num_channels),
      first_sum(num_channels),
      minimum(num_channels, kInfinity),
      maximum(num_channels, -kInfinity),
      extras(wanted),
      token_rows(wanted.sample.num_rows, num_channels) {
  if (wanted.k_chunk > 0) left_sum = Matrix<double>(num_channels, num_channels);
}

std::vector<double> InputStatistics::mean() const {
  require(hessian.num_tokens > 0, "a mean is over some tokens");
  const bool has_others = hessian.num_tokens > num_first;
  const auto count = static_cast<double>(hessian.num_tokens - (has_others ? num_first : 0));
  std::vector<double> mean(num_channels());
  for (std::size_t j = 0; j < mean.size(); ++j) {
    mean[j] = (sum[j] - (has_others ? first_sum[j] : 0.0)) / count;
  }
  return mean;
}

void InputStatistics::add(Threads& threads, MatrixView<const float> x, BatchPlace place) {
  require(x.cols == num_channels(), "the input has as many channels as its statistics");
  require(place.tokens.empty() || place.tokens.size() == x.rows, "every row is a token's");
  std::vector<char> is_finite(num_tiles(x.rows, kRowTile));
  threads.for_each(is_finite.size(), [&](std::size_t task) {
    const Tile rows = tile_at(task, kRowTile, x.rows);
    is_finite[task] = all_finite(x.middle_rows(rows.begin, rows.size()));
  });
  if (std::find(is_finite.begin(), is_finite.end(), 0) != is_finite.end()) refuse_non_finite(x);

  threads.for_each(num_tiles(x.cols, kChannelTile), [&](std::size_t task) {
    add_channels(*this, x, tile_at(task, kChannelTile, x.cols));
  });
  linalg::add_outer_products(threads, x, hessian.sum);
  if (extras.k_chunk > 0) add_what_is_left(threads, x, extras.k_chunk, left_sum);
  hessian.num_tokens += x.rows;
  note_single_tokens(*this, x, place);
}

void InputStatistics::merge(const InputStatistics& other) {
  require(other.num_channels() == num_channels(), "only statistics of the same input merge");
  require(other.extras == extras, "only statistics that keep the same extras merge");
  hessian.num_tokens += other.hessian.num_tokens;
  num_first += other.num_first;
  for (std::size_t k = 0; k < token_rows.size(); ++k)
    token_rows.data()[k] += other.token_rows.data()[k];
  for (std::size_t i = 0; i < num_channels(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      hessian.sum(i, j) += other.hessian.sum(i, j);
      if (!left_sum.empty()) left_sum(i, j) += other.left_sum(i, j);
    }
    sum[i] += other.sum[i];
    first_sum[i] += other.first_sum[i];
    minimum[i] = std::min(minimum[i], other.minimum[i]);
  }
  raise_each(maximum, other.maximum);
}

}  // namespace tessera::calibration
