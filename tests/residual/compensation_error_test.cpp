#include "residual/compensation_error.hpp"

#include <numeric>

#include <gtest/gtest.h>

#include "residual/residual_solver.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::residual {
namespace {

/// A layer of 70 outputs and 1100 inputs: neither divides a tile, and the second chunk has 76.
struct Layer {
  Matrix<float> weight = test::random_matrix(70, 1100, 1);
  Matrix<float> quantized = weight.copy();
  Matrix<float> tokens = test::random_matrix(37, 1100, 3);
  Threads threads{2};

  Layer() {
    const Matrix<float> noise = test::random_matrix(70, 1100, 2);
    for (std::size_t k = 0; k < noise.size(); ++k) quantized.data()[k] += 0.3F * noise.data()[k];
    for (std::size_t t = 0; t < tokens.rows(); ++t) {
      for (std::size_t j = 0; j < 1100; ++j) tokens(t, j) *= j % 10 == t % 10 ? 5.0F : 0.2F;
    }
  }
  ResidualLayer residual(int bits) {
    ResidualLayer layer = solve_residual(threads, weight, quantized, {}, bits);
    layer.top_magnitude.assign(1100, 1.0F);
    layer.static_order.resize(1100);
    std::iota(layer.static_order.begin(), layer.static_order.end(), 0U);
    return layer;
  }
  double error(SelectionRule rule, std::uint64_t k_chunk, int bits = 4) {
    std::vector<CompensationPoint> points = {{rule, k_chunk}};
    const ResidualLayer layer = residual(bits);
    measure_compensation(threads, "layer", weight, quantized, layer, tokens, points);
    return points[0].error;
  }
};

/// The same from the definition, a token and an output at a time.
double error_by_definition(const Layer& layer, const ResidualLayer& residual,
                           const ChannelSelector& selector) {
  const Matrix<float> decoded = dequantize(residual);
  double lost = 0, size = 0;
  std::vector<std::uint8_t> chosen(1100);
  for (std::size_t t = 0; t < layer.tokens.rows(); ++t) {
    selector.select(layer.tokens.view().row_span(t), t, chosen);
    for (std::size_t i = 0; i < 70; ++i) {
      double wanted = 0, got = 0;
      for (std::size_t j = 0; j < 1100; ++j) {
        const double x = layer.tokens(t, j);
        wanted += layer.weight(i, j) * x;
        got += (layer.quantized(i, j) + (chosen[j] != 0 ? decoded(i, j) : 0.0F)) * x;
      }
      lost += (wanted - got) * (wanted - got);
      size += wanted * wanted;
    }
  }
  return lost / size;
}

TEST(CompensationError, IsTheDefinition) {
  Layer layer;
  const ResidualLayer residual = layer.residual(4);
  std::vector<CompensationPoint> points = {{SelectionRule::exact, 0},
                                           {SelectionRule::exact, 100},
                                           {SelectionRule::random, 100},
                                           {SelectionRule::global, 1024}};
  measure_compensation(layer.threads, "layer", layer.weight, layer.quantized, residual,
                       layer.tokens, points);
  for (const CompensationPoint& point : points) {
    const ChannelSelector selector(point.rule, 1100, point.k_chunk, {}, "layer");
    const double wanted = error_by_definition(layer, residual, selector);
    EXPECT_NEAR(point.error, wanted, 1e-4 * wanted + 1e-9) << point.k_chunk;
  }
  EXPECT_EQ(points[0].recall, 1.0) << "of no channels all are found";
  EXPECT_GT(points[1].recall, 0.9);
  EXPECT_LT(points[2].recall, 0.2);
  EXPECT_EQ(points[3].recall, 1.0);
}

// random > static > exact per chunk >= exact global, and more channels leave less.
TEST(CompensationError, RanksTheRules) {
  Layer layer;
  const double none = layer.error(SelectionRule::exact, 0);
  const double random = layer.error(SelectionRule::random, 100);
  const double exact = layer.error(SelectionRule::exact, 100);
  EXPECT_LT(random, none);
  EXPECT_LT(exact, 0.5 * random);
  EXPECT_LE(layer.error(SelectionRule::global, 100), 1.02 * exact);
  EXPECT_LT(layer.error(SelectionRule::exact, 200), exact);
}

// All channels: what is left is the rounding of the residual, 0.3^2 of the weights' square times
// 1.3 % at 4 bits (qdec.md section 1, a normal distribution), and 4.7 % at 3.
TEST(CompensationError, OfAllChannelsIsTheRoundingOfTheResidual) {
  Layer layer;
  EXPECT_NEAR(layer.error(SelectionRule::exact, 1024, 4) / 0.09, 0.013, 0.004);
  EXPECT_NEAR(layer.error(SelectionRule::exact, 1024, 3) / 0.09, 0.047, 0.015);
}

}  // namespace
}  // namespace tessera::residual
