#include "solver/integer/integer_refinement.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "linalg/cholesky.hpp"
#include "linalg/gemm.hpp"
#include "solver/column_sweep.hpp"

namespace tessera::solver {
namespace {

constexpr double kEnoughGain = 5e-4;

/// The columns of @p square at @p positions, (rows of @p among, positions).
Matrix<float> gather(const Matrix<float>& square, std::span<const std::uint32_t> among,
                     std::span<const std::uint32_t> positions) {
  Matrix<float> part(among.size(), positions.size());
  for (std::size_t i = 0; i < among.size(); ++i) {
    const float* row = square.row(among[i]);
    for (std::size_t j = 0; j < positions.size(); ++j) part(i, j) = row[positions[j]];
  }
  return part;
}

/// Groups [first, first + count) of a tile, their scales found together.
class GroupBlock {
 public:
  GroupBlock(const Matrix<float>& square, const GridRule& rule, const IntegerLayout& layout,
             IntegerTile& tile, Tile groups)
      : square_(square),
        rule_(rule),
        layout_(layout),
        tile_(tile),
        groups_(groups),
        rows_(tile.rows.size()) {
    for (std::size_t g = groups.begin; g < groups.end; ++g) {
      begin_.push_back(members_.size());
      members_.insert(members_.end(), layout.positions[g].begin(), layout.positions[g].end());
    }
    begin_.push_back(members_.size());
    integers_ = Matrix<float>(members_.size(), rows_);
    for (std::size_t m = 0; m < members_.size(); ++m) {
      const std::uint32_t p = members_[m];
      const float* zero = tile.zero.row(layout.group_of[p]);
      for (std::size_t r = 0; r < rows_; ++r)
        integers_(m, r) = static_cast<float>(tile.codes(p, r)) - zero[r];
    }
  }

  void improve() {
    form_systems();
    Matrix<float> scale(groups_.size(), rows_);
    for (std::size_t r = 0; r < rows_; ++r) solve_row(r, scale);
    apply(scale);
  }

 private:
  /// C^T H C of every row, and C^T g.
  void form_systems() {
    const std::size_t count = groups_.size();
    curvature_ = Matrix<double>(rows_, count * count);
    slope_ = Matrix<double>(rows_, count);
    Matrix<float> product(members_.size(), rows_);
    for (std::size_t g = 0; g < count; ++g) {
      const auto own = std::span(members_).subspan(begin_[g], begin_[g + 1] - begin_[g]);
      linalg::gemm(1, gather(square_, members_, own), linalg::Transposed::no,
                   integers_.view().middle_rows(begin_[g], own.size()), linalg::Transposed::no, 0,
                   product);
      for (std::size_t h = 0; h <= g; ++h) {
        for (std::size_t m = begin_[h]; m < begin_[h + 1]; ++m) {
          const float *c = integers_.row(m), *p = product.row(m);
          for (std::size_t r = 0; r < rows_; ++r)
            curvature_(r, g * count + h) += static_cast<double>(c[r]) * p[r];
        }
      }
      for (std::size_t m = begin_[g]; m < begin_[g + 1]; ++m) {
        const float *c = integers_.row(m), *gradient = tile_.gradient.row(members_[m]);
        for (std::size_t r = 0; r < rows_; ++r)
          slope_(r, g) += static_cast<double>(c[r]) * gradient[r];
      }
    }
  }

  /// The better scales of row @p r, or those it has.
  void solve_row(std::size_t r, Matrix<float>& scale) const {
    const std::size_t count = groups_.size();
    for (std::size_t g = 0; g < count; ++g) scale(g, r) = tile_.scale(groups_.begin + g, r);
    Matrix<double> a(count, count), x(count, 1);
    for (std::size_t g = 0; g < count; ++g) {
      for (std::size_t h = 0; h <= g; ++h) a(g, h) = a(h, g) = curvature_(r, g * count + h);
      x(g, 0) = slope_(r, g);
    }
    for (std::size_t g = 0; g < count; ++g) {
      if (a(g, g) > 0) continue;  // a group of zeros: any scale will do
      a(g, g) = 1;
      x(g, 0) = 0;
    }
    const Matrix<double> full = a.copy();
    if (!linalg::solve_positive_definite(a, x)) return;
    std::vector<float> better(count);
    std::vector<double> step(count);
    for (std::size_t g = 0; g < count; ++g) {
      const float now = rounded_to(rule_.scale_type, scale(g, r) + static_cast<float>(x(g, 0)));
      const bool is_usable = now > 0 && std::isfinite(now) && std::isfinite(1.0f / now);
      better[g] = is_usable ? now : scale(g, r);
      step[g] = static_cast<double>(better[g]) - static_cast<double>(scale(g, r));
    }
    double rise = 0;  // of the row's loss
    for (std::size_t g = 0; g < count; ++g) {
      double bent = 0;
      for (std::size_t h = 0; h < count; ++h) bent += full(g, h) * step[h];
      rise += step[g] * (bent - 2 * slope_(r, g));
    }
    if (!(rise < 0)) return;
    for (std::size_t g = 0; g < count; ++g) scale(g, r) = better[g];
  }

  void apply(const Matrix<float>& found) {
    std::vector<std::uint32_t> all(tile_.weight.rows());
    for (std::uint32_t p = 0; p < all.size(); ++p) all[p] = p;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const std::size_t width = begin_[g + 1] - begin_[g];
      float* scale = tile_.scale.row(groups_.begin + g);
      Matrix<float> moved(width, rows_);
      std::copy_n(found.row(g), rows_, scale);
      for (std::size_t m = 0; m < width; ++m) {
        const float* c = integers_.row(begin_[g] + m);
        float* quantized = tile_.quantized.row(members_[begin_[g] + m]);
        for (std::size_t r = 0; r < rows_; ++r) {
          const float now = scale[r] * c[r];
          moved(m, r) = now - quantized[r];
          quantized[r] = now;
        }
      }
      linalg::gemm(-1, gather(square_, all, layout_.positions[groups_.begin + g]),
                   linalg::Transposed::no, moved, linalg::Transposed::no, 1, tile_.gradient);
    }
  }

  const Matrix<float>& square_;
  const GridRule& rule_;
  const IntegerLayout& layout_;
  IntegerTile& tile_;
  const Tile groups_;
  const std::size_t rows_;
  std::vector<std::uint32_t> members_;  ///< positions of the block's columns, group after group
  std::vector<std::size_t> begin_;      ///< where each group begins among them
  Matrix<float> integers_;              ///< (members, rows): code - zero
  Matrix<double> curvature_, slope_;
};

void sweep(const Matrix<float>& square, const GridRule& rule, const IntegerLayout& layout,
           IntegerTile& tile) {
  const float largest = rule.largest_code();
  const auto improve = [&](std::size_t position, std::span<const float> target,
                           std::span<float> change) {
    const std::size_t g = layout.group_of[position];
    const float *scale = tile.scale.row(g), *zero = tile.zero.row(g);
    float* present = tile.quantized.row(position);
    std::uint8_t* codes = tile.codes.row(position);
    bool any_moved = false;
    for (std::size_t r = 0; r < target.size(); ++r) {
      const float code = nearest_code(target[r], 1.0f / scale[r], zero[r], largest);
      const float offered = scale[r] * (code - zero[r]);
      if (!(std::fabs(offered - target[r]) < std::fabs(present[r] - target[r]))) continue;
      change[r] = offered - present[r];
      present[r] = offered;
      codes[r] = static_cast<std::uint8_t>(code);
      any_moved = true;
    }
    return any_moved;
  };
  sweep_columns(square, improve, tile);
}

}  // namespace

void reestimate_scales(const Matrix<float>& square, const GridRule& rule,
                       const IntegerLayout& layout, IntegerTile& tile) {
  const std::size_t num_groups = layout.positions.size();
  for (std::size_t b = 0; b < num_tiles(num_groups, kGroupsAtOnce); ++b) {
    GroupBlock(square, rule, layout, tile, tile_at(b, kGroupsAtOnce, num_groups)).improve();
  }
}

double refine_integers(const Matrix<float>& square, const GridRule& rule,
                       const IntegerLayout& layout, int rounds, IntegerTile& tile) {
  double loss = refresh_gradient(square, tile);
  for (int round = 0; round < rounds; ++round) {
    const double before = loss;
    reestimate_scales(square, rule, layout, tile);
    sweep(square, rule, layout, tile);
    loss = loss_of(tile);
    if (before - loss < kEnoughGain * before) break;
  }
  return loss;
}

}  // namespace tessera::solver
