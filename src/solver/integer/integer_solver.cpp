#include "solver/integer/integer_solver.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "solver/column_pass.hpp"
#include "solver/integer/integer_grid.hpp"
#include "solver/integer/integer_refinement.hpp"
#include "solver/prepared_hessian.hpp"

namespace tessera::solver {
namespace {

std::vector<double> by_position(std::span<const double> values,
                                std::span<const std::uint32_t> perm) {
  std::vector<double> moved;
  for (const std::uint32_t column : perm) moved.push_back(values[column]);
  return moved;
}

void round_columns(const GridRule& rule, const IntegerLayout& layout, IntegerTile& tile) {
  const std::size_t rows = tile.rows.size();
  for (std::size_t p = 0; p < layout.perm.size(); ++p) {
    round_to_grid(rule, layout, p, {tile.weight.row(p), rows}, tile, {tile.quantized.row(p), rows});
  }
}

void fit_all_grids(Threads& threads, const GridRule& rule, const IntegerLayout& layout,
                   std::span<const double> importance, Granularity granularity,
                   std::vector<IntegerTile>& tiles) {
  if (granularity == Granularity::tensor) return fit_tensor_grid(rule, tiles);
  threads.for_each(tiles.size(),
                   [&](std::size_t t) { fit_grids(rule, layout, importance, tiles[t]); });
}

IntegerLayer make_layer(const LayerProblem& problem, const GridRule& rule,
                        const IntegerLayout& layout, const std::vector<IntegerTile>& tiles) {
  IntegerLayer layer;
  layer.out_features = problem.weight.rows;
  layer.in_features = problem.weight.cols;
  layer.bits = static_cast<std::uint64_t>(rule.bits);
  layer.group_size = layout.group_size;
  layer.is_symmetric = rule.is_symmetric;
  layer.scale_type = rule.scale_type;
  layer.codes = Matrix<std::uint8_t>(layer.out_features, layer.in_features);
  layer.scale = Matrix<float>(layer.out_features, layer.num_groups());
  layer.zero_point = Matrix<std::uint8_t>(layer.out_features, layer.num_groups());
  for (const IntegerTile& tile : tiles) {
    for (std::size_t r = 0; r < tile.rows.size(); ++r) {
      const std::size_t row = tile.rows.begin + r;
      for (std::size_t p = 0; p < layout.perm.size(); ++p)
        layer.codes(row, layout.perm[p]) = tile.codes(p, r);
      for (std::size_t g = 0; g < layout.positions.size(); ++g) {
        layer.scale(row, g) = tile.scale(g, r);
        layer.zero_point(row, g) = static_cast<std::uint8_t>(tile.zero(g, r));
      }
    }
  }
  return layer;
}

}  // namespace

int IntegerSettings::bits() const {
  switch (scheme) {
    case Scheme::w8a8:
    case Scheme::w8a16:
      return 8;
    case Scheme::w4a16:
      return 4;
    case Scheme::w3a16:
      return 3;
    case Scheme::w2a16:
      return 2;
  }
  throw Bug("a Scheme without bits");
}

IntegerResult solve_integers(Threads& threads, const LayerProblem& problem,
                             const IntegerSettings& settings, double damp_fraction,
                             StoredType scale_type) {
  require(
      problem.hessian.rows == problem.weight.cols && problem.hessian.cols == problem.weight.cols,
      "the Hessian does not fit the weights");
  const std::vector<float> ones(problem.weight.cols, 1.0f);
  const auto importance = column_importance(problem.hessian, ones, damp_fraction);
  const IntegerLayout layout = lay_out_integers(importance, settings);
  const GridRule rule = grid_rule(settings, scale_type);
  std::vector<IntegerTile> tiles = make_integer_tiles(threads, problem.weight, layout);
  fit_all_grids(threads, rule, layout, by_position(importance, layout.perm),
                settings.effective_granularity(), tiles);

  SolveReport report;
  report.damp_fraction = damp_fraction;
  if (settings.rounding == Rounding::rtn) {
    threads.for_each(tiles.size(), [&](std::size_t t) { round_columns(rule, layout, tiles[t]); });
  } else {
    const Matrix<float> inverse_upper =
        prepared_inverse_upper(threads, problem.hessian, ones, layout.perm, damp_fraction);
    // Sharing one scale, rows of a tensor are not independent: its scale stays.
    const int rounds =
        settings.effective_granularity() == Granularity::tensor ? 0 : settings.refine_rounds;
    const Matrix<float> square =
        rounds > 0 ? prepared_square(problem.hessian, ones, layout.perm, damp_fraction)
                   : Matrix<float>();
    threads.for_each(tiles.size(), [&](std::size_t t) {
      quantize_columns(
          inverse_upper,
          [&](std::size_t p, std::span<const float> x, std::span<float> chosen) {
            round_to_grid(rule, layout, p, x, tiles[t], chosen);
          },
          tiles[t]);
      if (rounds > 0) refine_integers(square, rule, layout, rounds, tiles[t]);
    });
  }

  IntegerLayer layer = make_layer(problem, rule, layout, tiles);
  report.proxy_error = relative_proxy_error(threads, problem, dequantize(layer));
  report.num_dead_columns = count_dead_columns(problem.hessian);
  if (report.num_dead_columns > 0) {
    report.remarks.push_back(
        fmt::format("{} of {} columns saw no input (their weights are rounded to the nearest)",
                    report.num_dead_columns, problem.weight.cols));
  }
  return {std::move(layer), std::move(report)};
}

Matrix<float> round_to_nearest(MatrixView<const float> weight, const IntegerSettings& settings,
                               StoredType scale_type) {
  Threads alone(1);
  IntegerSettings nearest = settings;
  nearest.rounding = Rounding::rtn;
  nearest.search_range = false;
  const std::vector<double> alike(weight.cols, 1.0);
  const IntegerLayout layout = lay_out_integers(alike, nearest);
  const GridRule rule = grid_rule(nearest, scale_type);
  std::vector<IntegerTile> tiles = make_integer_tiles(alone, weight, layout);
  fit_all_grids(alone, rule, layout, alike, nearest.effective_granularity(), tiles);
  Matrix<float> rounded(weight.rows, weight.cols);
  for (IntegerTile& tile : tiles) {
    round_columns(rule, layout, tile);
    for (std::size_t r = 0; r < tile.rows.size(); ++r) {
      for (std::size_t p = 0; p < layout.perm.size(); ++p) {
        rounded(tile.rows.begin + r, layout.perm[p]) = tile.quantized(p, r);
      }
    }
  }
  return rounded;
}

}  // namespace tessera::solver
