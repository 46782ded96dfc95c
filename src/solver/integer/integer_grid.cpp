#include "solver/integer/integer_grid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace tessera::solver {
namespace {

constexpr float kStep = 0.025f;  // between the ranges tried

/// Below this share of the full range nothing is gained: coarser grids gain from clipping more.
float narrowest(int bits) {
  switch (bits) {
    case 2:
      return 0.35f;
    case 3:
      return 0.5f;
    case 4:
      return 0.6f;
    default:
      return 0.9f;
  }
}

/// The largest finite and smallest normal scale that survive the type, so that a division by it is
/// one.
float usable_scale(StoredType type, float scale) {
  const float rounded = rounded_to(type, scale);
  if (rounded > 0 && std::isfinite(rounded) && std::isfinite(1.0f / rounded)) return rounded;
  return 1.0f;
}

/// One group of one tile: its candidates for all rows side by side.
class GroupGrid {
 public:
  GroupGrid(const GridRule& rule, std::size_t rows)
      : rule_(rule),
        low_(rows),
        high_(rows),
        scale_(rows),
        inverse_(rows),
        zero_(rows),
        error_(rows),
        best_(rows) {}

  void fit(const Matrix<float>& weight, std::span<const std::uint32_t> positions,
           std::span<const double> importance, std::span<float> scale, std::span<float> zero) {
    find_range(weight, positions);
    std::ranges::fill(best_, std::numeric_limits<float>::infinity());
    const float least = rule_.search ? narrowest(rule_.bits) : 1.0f;
    for (float share = 1.0f; share >= least; share -= kStep) {
      propose(share);
      if (rule_.search) measure(weight, positions, importance);
      for (std::size_t r = 0; r < best_.size(); ++r) {
        if (!(error_[r] < best_[r])) continue;
        best_[r] = error_[r];
        scale[r] = scale_[r];
        zero[r] = zero_[r];
      }
    }
  }

 private:
  void find_range(const Matrix<float>& weight, std::span<const std::uint32_t> positions) {
    std::ranges::fill(low_, 0.0f);
    std::ranges::fill(high_, 0.0f);
    std::ranges::fill(error_, 0.0f);
    for (const std::uint32_t p : positions) {
      const float* w = weight.row(p);
      for (std::size_t r = 0; r < low_.size(); ++r) {
        low_[r] = std::min(low_[r], w[r]);
        high_[r] = std::max(high_[r], w[r]);
      }
    }
  }

  void propose(float share) {
    const float steps = rule_.largest_code();
    for (std::size_t r = 0; r < low_.size(); ++r) {
      const float width =
          rule_.is_symmetric ? 2 * std::max(-low_[r], high_[r]) : high_[r] - low_[r];
      scale_[r] = usable_scale(rule_.scale_type, share * width / steps);
      inverse_[r] = 1.0f / scale_[r];
      zero_[r] = rule_.is_symmetric
                     ? rule_.middle_code()
                     : std::clamp(round_half_even(std::min(-share * low_[r] * inverse_[r], steps)),
                                  rule_.least_zero(), steps);
    }
  }

  void measure(const Matrix<float>& weight, std::span<const std::uint32_t> positions,
               std::span<const double> importance) {
    const float largest = rule_.largest_code();
    std::ranges::fill(error_, 0.0f);
    for (const std::uint32_t p : positions) {
      const float* w = weight.row(p);
      const auto h = static_cast<float>(importance[p]);
      for (std::size_t r = 0; r < low_.size(); ++r) {
        const float code = nearest_code(w[r], inverse_[r], zero_[r], largest);
        const float e = w[r] - scale_[r] * (code - zero_[r]);
        error_[r] += h * e * e;
      }
    }
  }

  const GridRule& rule_;
  std::vector<float> low_, high_, scale_, inverse_, zero_, error_, best_;
};

}  // namespace

GridRule grid_rule(const IntegerSettings& settings, StoredType scale_type) {
  return {settings.bits(), settings.symmetric, settings.search_range, scale_type};
}

void fit_grids(const GridRule& rule, const IntegerLayout& layout,
               std::span<const double> importance, IntegerTile& tile) {
  const std::size_t rows = tile.rows.size();
  GroupGrid grid(rule, rows);
  for (std::size_t g = 0; g < layout.positions.size(); ++g) {
    grid.fit(tile.weight, layout.positions[g], importance, {tile.scale.row(g), rows},
             {tile.zero.row(g), rows});
  }
}

void fit_tensor_grid(const GridRule& rule, std::span<IntegerTile> tiles) {
  float largest = 0;
  for (const IntegerTile& tile : tiles) {
    for (const float w : tile.weight.span()) largest = std::max(largest, std::fabs(w));
  }
  const float scale = usable_scale(rule.scale_type, 2 * largest / rule.largest_code());
  for (IntegerTile& tile : tiles) {
    std::ranges::fill(tile.scale.span(), scale);
    std::ranges::fill(tile.zero.span(), rule.middle_code());
  }
}

void round_to_grid(const GridRule& rule, const IntegerLayout& layout, std::size_t position,
                   std::span<const float> x, IntegerTile& tile, std::span<float> chosen) {
  const std::size_t g = layout.group_of[position];
  const float *scale = tile.scale.row(g), *zero = tile.zero.row(g);
  std::uint8_t* codes = tile.codes.row(position);
  const float largest = rule.largest_code();
  for (std::size_t r = 0; r < x.size(); ++r) {
    const float code = nearest_code(x[r], 1.0f / scale[r], zero[r], largest);
    codes[r] = static_cast<std::uint8_t>(code);
    chosen[r] = scale[r] * (code - zero[r]);
  }
}

}  // namespace tessera::solver
