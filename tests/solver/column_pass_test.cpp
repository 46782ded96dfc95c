#include <gtest/gtest.h>

#include "solver/layer_problem.hpp"
#include "solver/vptq/vector_columns.hpp"
#include "tests/solver/solver_fixtures.hpp"

namespace tessera::solver {
namespace {

struct Shape {
  std::size_t rows, cols;
  int vector_len, num_centroids, num_res_centroids;
};

class ColumnPass : public testing::TestWithParam<Shape> {};

// Two roundings of one x can lie on either side of a border between centroids; from there on the
// two runs differ. The loss must not.
TEST_P(ColumnPass, AgreesWithTheRecursion) {
  const Shape shape = GetParam();
  Threads threads(1);
  Workbench bench(threads, shape.rows, shape.cols,
                  small_settings(shape.vector_len, shape.num_centroids, shape.num_res_centroids));
  double loss = 0, reference_loss = 0;
  std::size_t different = 0, total = 0;
  for (RowTile& tile : bench.tiles) {
    quantize_columns_reference(bench.inverse_upper, bench.layout.segments, bench.assigners, tile);
    reference_loss += refresh_gradient(bench.square, tile);
    const Matrix<float> expected = tile.quantized.copy();
    quantize_columns(bench.inverse_upper, bench.layout.segments, bench.assigners, tile);
    loss += refresh_gradient(bench.square, tile);
    for (std::size_t k = 0; k < expected.size(); ++k)
      different += expected.data()[k] != tile.quantized.data()[k] ? 1 : 0;
    total += expected.size();
  }
  EXPECT_LE(different, total / 50) << "of " << total;
  EXPECT_NEAR(loss, reference_loss, 0.01 * reference_loss);
}

INSTANTIATE_TEST_SUITE_P(AwkwardShapes, ColumnPass,
                         testing::Values(Shape{1, 1, 1, 2, 0}, Shape{3, 5, 4, 2, 0},
                                         Shape{64, 63, 4, 16, 0}, Shape{64, 64, 4, 16, 0},
                                         Shape{64, 65, 4, 16, 4}, Shape{130, 200, 6, 32, 8},
                                         Shape{97, 129, 16, 8, 0}));

TEST(ColumnPass, ErrorFeedbackBeatsPlainRounding) {
  Threads threads(1);
  Workbench bench(threads, 128, 96, small_settings(4, 16));
  double fed_back = 0, plain = 0;
  VectorAssigner::Scratch scratch;
  for (RowTile& tile : bench.tiles) {
    quantize_columns(bench.inverse_upper, bench.layout.segments, bench.assigners, tile);
    fed_back += refresh_gradient(bench.square, tile);
    for (std::size_t p = 0; p < 96; ++p) {
      bench.assigners[0].assign({tile.weight.row(p), tile.rows.size()},
                                main_of(tile, bench.layout.segments[0], p), {},
                                {tile.quantized.row(p), tile.rows.size()}, scratch);
    }
    plain += refresh_gradient(bench.square, tile);
  }
  EXPECT_LT(fed_back, 0.8 * plain);
}

}  // namespace
}  // namespace tessera::solver
