#include "solver/integer/integer_solver.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "solver/column_pass.hpp"
#include "solver/integer/integer_grid.hpp"
#include "solver/integer/integer_refinement.hpp"
#include "solver/prepared_hessian.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::solver {
namespace {

IntegerSettings settings_of(Scheme scheme, int group_size, bool symmetric) {
  IntegerSettings settings;
  settings.scheme = scheme;
  settings.group_size = group_size;
  settings.symmetric = symmetric;
  return settings;
}

IntegerResult solve(const Matrix<float>& weight, const Matrix<double>& hessian,
                    const IntegerSettings& settings, std::size_t num_threads = 1,
                    StoredType type = StoredType::float16) {
  Threads threads(num_threads);
  return solve_integers(threads, {"layer", weight, hessian}, settings, 0.01, type);
}

struct Case {
  std::size_t rows, cols;
  int group_size;
};
/// One weight, one row, a ragged last group, a group wider than the layer, more rows than a tile.
const Case kCases[] = {{1, 1, 1}, {1, 7, 3}, {5, 130, 64}, {33, 20, 128}, {70, 96, 32}};

TEST(IntegerSolver, IntegersScalesAndZeroPointsAreInRangeWhateverTheShape) {
  for (const auto& [rows, cols, group] : kCases) {
    const auto weight = test::random_matrix(rows, cols, 1);
    const auto hessian = test::random_hessian(cols, 4 * cols, 2);
    for (const Scheme scheme : {Scheme::w2a16, Scheme::w3a16, Scheme::w4a16, Scheme::w8a16}) {
      for (const bool symmetric : {true, false}) {
        const auto [layer, report] = solve(weight, hessian, settings_of(scheme, group, symmetric));
        const unsigned largest = (1u << layer.bits) - 1;
        EXPECT_EQ(layer.num_groups(),
                  num_tiles(cols, std::min<std::size_t>(static_cast<std::size_t>(group), cols)));
        for (const auto code : layer.codes.span()) ASSERT_LE(code, largest);
        for (const auto zero : layer.zero_point.span()) {
          ASSERT_LE(zero, largest);
          ASSERT_TRUE(!symmetric || zero == (largest + 1) / 2);
          ASSERT_TRUE(layer.bits < 4 || zero >= 1);  // GPTQ's first format stores zero - 1
        }
        for (const float scale : layer.scale.span()) {
          ASSERT_GT(scale, 0);
          ASSERT_EQ(rounded_to(StoredType::float16, scale), scale);
        }
        Threads threads(1);
        EXPECT_DOUBLE_EQ(
            report.proxy_error,
            relative_proxy_error(threads, {"layer", weight, hessian}, dequantize(layer)));
      }
    }
  }
}

/// scale = 3 / 7.5 = 0.4 in halves 0.39990234375; -3 / 0.4 = -7.5 rounds half to even from the
/// clamped code.
TEST(IntegerSolver, AHandWorkedRow) {
  Matrix<float> weight(1, 4);
  const float values[] = {3.0f, -3.0f, 0.5f, 0.0f};
  std::copy_n(values, 4, weight.data());
  auto settings = settings_of(Scheme::w4a16, 4, true);
  settings.rounding = Rounding::rtn;
  settings.search_range = false;
  const auto layer =
      solve(weight, test::random_hessian(4, 9, 1), settings, 1, StoredType::float32).layer;
  EXPECT_FLOAT_EQ(layer.scale(0, 0), 0.4f);
  EXPECT_EQ(layer.codes(0, 0), 15);                               // 7.5 + 8 clamps to 15: 2.8
  EXPECT_TRUE(layer.codes(0, 1) == 0 || layer.codes(0, 1) == 1);  // -7.5 + 8 lies between
  EXPECT_EQ(layer.codes(0, 2), 9);                                // 1.25 rounds to 1
  EXPECT_EQ(layer.codes(0, 3), 8);
  EXPECT_FLOAT_EQ(dequantize(layer)(0, 0), 2.8f);

  settings.symmetric =
      false;  // the range -3 ... 3 in 15 steps: the same scale, zero at 7.5, rounded to 8
  const auto free =
      solve(weight, test::random_hessian(4, 9, 1), settings, 1, StoredType::float32).layer;
  EXPECT_FLOAT_EQ(free.scale(0, 0), 0.4f);
  EXPECT_EQ(free.zero_point(0, 0), 8);
}

TEST(IntegerSolver, GptqIsBetterThanRoundingAndRefinementBetterStill) {
  const auto weight = test::random_matrix(48, 96, 3);
  const auto hessian = test::random_hessian(96, 400, 4);
  for (const bool symmetric : {true, false}) {
    for (const Scheme scheme : {Scheme::w2a16, Scheme::w3a16, Scheme::w4a16}) {
      auto settings = settings_of(scheme, 32, symmetric);
      settings.rounding = Rounding::rtn;
      const double rounded = solve(weight, hessian, settings).report.proxy_error;
      settings.rounding = Rounding::gptq;
      settings.refine_rounds = 0;
      const double pushed = solve(weight, hessian, settings).report.proxy_error;
      settings.refine_rounds = 3;
      const double refined = solve(weight, hessian, settings).report.proxy_error;
      EXPECT_LT(pushed, 0.8 * rounded);
      EXPECT_LT(refined, 0.97 * pushed);
    }
  }
}

TEST(IntegerSolver, ASearchedRangeIsNeverWorse) {
  const auto weight = test::random_matrix(16, 64, 5);
  Matrix<double> alike(64, 64);
  for (std::size_t j = 0; j < 64; ++j) alike(j, j) = 1;
  auto settings = settings_of(Scheme::w2a16, 16, true);
  settings.rounding = Rounding::rtn;
  const double searched = solve(weight, alike, settings).report.proxy_error;
  settings.search_range = false;
  EXPECT_LT(searched, solve(weight, alike, settings).report.proxy_error);
}

TEST(IntegerSolver, OneAnswerForEveryNumberOfThreads) {
  const auto weight = test::random_matrix(130, 70, 6);
  const auto hessian = test::random_hessian(70, 300, 7);
  const auto settings = settings_of(Scheme::w3a16, 32, false);
  const auto one = solve(weight, hessian, settings, 1).layer,
             three = solve(weight, hessian, settings, 3).layer;
  EXPECT_TRUE(std::ranges::equal(one.codes.span(), three.codes.span()));
  EXPECT_TRUE(std::ranges::equal(one.scale.span(), three.scale.span()));
}

TEST(IntegerSolver, ZerosAndColumnsWithoutInputAreHarmless) {
  Matrix<float> zeros(4, 8);
  Matrix<double> no_input(8, 8);
  const auto [layer, report] = solve(zeros, no_input, settings_of(Scheme::w4a16, 4, false));
  const Matrix<float> dequantized = dequantize(layer);
  for (const float value : dequantized.span()) EXPECT_EQ(value, 0);
  EXPECT_EQ(report.num_dead_columns, 8u);
  EXPECT_EQ(report.proxy_error, 0);
}

/// The tensor's one scale, and every row's, is that of its largest weight.
TEST(IntegerSolver, OneScaleForATensor) {
  const auto weight = test::random_matrix(40, 12, 8);
  auto settings = settings_of(Scheme::w8a8, 64, true);
  settings.granularity = Granularity::tensor;
  const auto layer =
      solve(weight, test::random_hessian(12, 50, 9), settings, 1, StoredType::float32).layer;
  float largest = 0;
  for (const float w : weight.span()) largest = std::max(largest, std::fabs(w));
  for (const float scale : layer.scale.span()) EXPECT_FLOAT_EQ(scale, largest / 127.5f);
}

/// After scales were found again, no small change of one of them lowers the loss (in a type too
/// fine to matter).
TEST(ReestimateScales, FindsTheMinimumAndKeepsTheGradientTrue) {
  const std::size_t rows = 9, cols = 40;
  Threads threads(1);
  const auto weight = test::random_matrix(rows, cols, 10);
  const auto hessian = test::random_hessian(cols, 200, 11);
  const auto settings = settings_of(Scheme::w3a16, 8, false);
  const std::vector<float> ones(cols, 1.0f);
  const auto importance = column_importance(hessian, ones, 0.01);
  const IntegerLayout layout = lay_out_integers(importance, settings);
  const Matrix<float> square = prepared_square(hessian, ones, layout.perm, 0.01);
  const GridRule rule = grid_rule(settings, StoredType::float32);
  auto tiles = make_integer_tiles(threads, weight, layout);
  IntegerTile& tile = tiles.at(0);
  fit_grids(rule, layout, std::vector<double>(cols, 1.0), tile);
  for (std::size_t p = 0; p < cols; ++p) {
    round_to_grid(rule, layout, p, {tile.weight.row(p), rows}, tile, {tile.quantized.row(p), rows});
  }
  const double before = refresh_gradient(square, tile);
  reestimate_scales(square, rule, layout, tile);
  const Matrix<float> kept = tile.gradient.copy();
  const double least = refresh_gradient(square, tile);
  EXPECT_LT(least, before);
  for (std::size_t k = 0; k < kept.size(); ++k) {
    EXPECT_NEAR(kept.data()[k], tile.gradient.data()[k], 1e-3);
  }
  for (const float factor : {0.98f, 1.02f}) {
    for (std::size_t p = 0; p < cols; ++p) {
      if (layout.group_of[p] == 2) tile.quantized(p, 4) *= factor;
    }
    EXPECT_GT(refresh_gradient(square, tile), least);
    for (std::size_t p = 0; p < cols; ++p) {
      if (layout.group_of[p] == 2) tile.quantized(p, 4) /= factor;
    }
  }
}

}  // namespace
}  // namespace tessera::solver
