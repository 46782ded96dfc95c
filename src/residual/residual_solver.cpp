#include "residual/residual_solver.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"

namespace tessera::residual {
namespace {

constexpr int kCandidates = 32;
constexpr int kMaxMoves = 8;              // of scale and codes in turn; they settle in two or three
constexpr std::size_t kRowTile = 16;      // a task
constexpr std::size_t kChannelTile = 64;  // a task of the column norms
constexpr std::size_t kLanes = 16;        // sums of a row, so that they vectorize

float as_half(float value) {
  return rounded_to(StoredType::float16, value);
}

/// Half to even, as the sum with 1.5 * 2^23 is rounded. @pre |value| < 2^22
float round_half_even(float value) {
  constexpr float kMagic = 12582912.0F;
  return (value + kMagic) - kMagic;
}

float code_of(float value, float scale, float limit) {
  return round_half_even(std::clamp(value / scale, -limit, limit));
}

/// sum_j f(j), in lanes that are added in order.
template <class Term>
double sum_over(std::size_t count, Term&& term) {
  std::array<double, kLanes> lanes{};
  std::size_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += term(j + l);
  }
  for (; j < count; ++j) lanes[0] += term(j);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

/// One row under search.
class Row {
 public:
  Row(std::span<const float> residual, std::span<const double> importance, float limit)
      : residual_(residual), importance_(importance), limit_(limit) {}

  double error_at(float scale) const {
    return sum_over(residual_.size(), [&](std::size_t j) {
      const float lost = residual_[j] - scale * code_of(residual_[j], scale, limit_);
      return importance_[j] * static_cast<double>(lost) * static_cast<double>(lost);
    });
  }

  /// The scale with the least error for the codes at @p scale, as a half.
  float best_for_codes(float scale) const {
    const auto code = [&](std::size_t j) {
      return static_cast<double>(code_of(residual_[j], scale, limit_));
    };
    const double squares = sum_over(
        residual_.size(), [&](std::size_t j) { return importance_[j] * code(j) * code(j); });
    if (!(squares > 0)) return scale;
    const double products = sum_over(residual_.size(), [&](std::size_t j) {
      return importance_[j] * code(j) * static_cast<double>(residual_[j]);
    });
    return as_half(static_cast<float>(products / squares));
  }

 private:
  std::span<const float> residual_;
  std::span<const double> importance_;
  float limit_;
};

float find_scale(const Row& row, float largest_scale, bool may_move) {
  const float first = largest_scale / kCandidates;
  float best = 0;
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](float scale) {
    if (!(scale > 0)) return false;
    const double error = row.error_at(scale);
    if (!(error < least)) return false;
    best = scale;
    least = error;
    return true;
  };
  for (int t = 0; t < kCandidates; ++t) {
    const float part = static_cast<float>(t) / (kCandidates - 1);
    attempt(as_half(first + (largest_scale - first) * part));
  }
  for (int move = 0; may_move && best > 0 && move < kMaxMoves; ++move) {
    if (!attempt(row.best_for_codes(best))) break;
  }
  return best;
}

/// A row that is too small for halves, or not finite, would give no scale: zeros, and a Bug.
float largest_magnitude_of(std::span<const float> residual) {
  float largest = 0;
  for (const float value : residual) {
    require(std::isfinite(value), "a residual is finite");
    largest = std::max(largest, std::fabs(value));
  }
  return largest;
}

void norms_of_columns(Threads& threads, ResidualLayer& layer) {
  layer.column_norm.resize(layer.in_features);
  threads.for_each(num_tiles(layer.in_features, kChannelTile), [&](std::size_t task) {
    const Tile channels = tile_at(task, kChannelTile, layer.in_features);
    for (std::size_t j = channels.begin; j < channels.end; ++j) {
      const std::uint8_t* codes = layer.codes.row(j);
      const double squares = sum_over(layer.out_features, [&](std::size_t i) {
        const double value = static_cast<double>(layer.scale[i]) * (codes[i] - layer.zero_code());
        return value * value;
      });
      layer.column_norm[j] = as_half(static_cast<float>(std::min(std::sqrt(squares), 65504.0)));
    }
  });
}

}  // namespace

ResidualLayer solve_residual(Threads& threads, MatrixView<const float> weight,
                             MatrixView<const float> quantized, std::span<const double> importance,
                             int bits) {
  require(weight.rows == quantized.rows && weight.cols == quantized.cols,
          "a residual is between matrices of one shape");
  require(bits == 2 || bits == 3 || bits == 4 || bits == 8, "residuals have 2, 3, 4 or 8 bits");
  ResidualLayer layer;
  layer.out_features = weight.rows;
  layer.in_features = weight.cols;
  layer.bits = static_cast<std::uint64_t>(bits);
  layer.codes = Matrix<std::uint8_t>(weight.cols, weight.rows);
  layer.scale.resize(weight.rows);
  const auto limit = static_cast<float>((1 << (bits - 1)) - 1);
  const std::vector<double> alike(importance.empty() ? weight.cols : 0, 1.0);
  const std::span<const double> weights = importance.empty() ? alike : importance;
  threads.for_each(num_tiles(weight.rows, kRowTile), [&](std::size_t task) {
    const Tile rows = tile_at(task, kRowTile, weight.rows);
    std::vector<float> lost(weight.cols);
    for (std::size_t i = rows.begin; i < rows.end; ++i) {
      for (std::size_t j = 0; j < lost.size(); ++j) lost[j] = weight(i, j) - quantized(i, j);
      const float largest_scale = largest_magnitude_of(lost) / limit;
      const float scale = find_scale({lost, weights, limit}, largest_scale, !importance.empty());
      layer.scale[i] = scale;
      for (std::size_t j = 0; j < lost.size(); ++j) {
        const float code = scale > 0 ? code_of(lost[j], scale, limit) : 0.0F;
        layer.codes(j, i) = static_cast<std::uint8_t>(static_cast<int>(code) + layer.zero_code());
      }
    }
  });
  norms_of_columns(threads, layer);
  return layer;
}

}  // namespace tessera::residual
