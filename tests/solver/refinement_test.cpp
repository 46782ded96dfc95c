#include "solver/vptq/refinement.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "solver/vptq/centroid_reestimation.hpp"
#include "tests/solver/solver_fixtures.hpp"

namespace tessera::solver {
namespace {

double quantize(Workbench& bench) {
  double loss = 0;
  for (RowTile& tile : bench.tiles) {
    quantize_columns(bench.inverse_upper, bench.layout.segments, bench.assigners, tile);
    loss += refresh_gradient(bench.square, tile);
  }
  return loss;
}

double loss_with(Workbench& bench, const Codebook& codebook) {
  const VectorAssigner assigner(codebook, 1);
  double loss = 0;
  for (RowTile& tile : bench.tiles) {
    for (std::size_t p = codebook.segment.begin; p < codebook.segment.end; ++p) {
      assigner.look_up(main_of(tile, codebook.segment, p), residual_of(tile, codebook.segment, p),
                       {tile.quantized.row(p), tile.rows.size()});
    }
    loss += refresh_gradient(bench.square, tile);
  }
  return loss;
}

TEST(CentroidReestimation, TheGradientVanishesAtItsResult) {
  Threads threads(2);
  Workbench bench(threads, 96, 70, small_settings(4, 16, 4));
  const double before = quantize(bench);
  const Codebook best = reestimate_centroids(threads, bench.square, bench.tiles, bench.codebooks[0],
                                             StoredType::float32);
  const double after = loss_with(bench, best);
  EXPECT_LT(after, before);
  // A second step from the minimum of a quadratic has nowhere to go, up to the ridge and fp32.
  const Matrix<double> again = centroid_change_dense(threads, bench.square, bench.tiles, best);
  double moved = 0, size = 0;
  for (std::size_t c = 0; c < 16; ++c) {
    for (std::size_t t = 0; t < 4; ++t) {
      moved += std::pow(again(c, t), 2);
      size += std::pow(best.main(c, t), 2);
    }
  }
  EXPECT_LT(moved, 1e-4 * size);
}

TEST(CentroidReestimation, IterativeComesNearTheDenseResult) {
  Threads threads(1);
  for (const int num_res : {0, 4}) {
    Workbench bench(threads, 130, 65, small_settings(6, 16, num_res));  // ragged: 130 = 21 * 6 + 4
    quantize(bench);
    const auto& codebook = bench.codebooks[0];
    const auto dense = centroid_change_dense(threads, bench.square, bench.tiles, codebook);
    const auto iterative =
        centroid_change_iterative(threads, bench.square, bench.tiles, codebook, 60);
    const auto apply = [&](const Matrix<double>& change) {
      Codebook moved = codebook.copy();
      for (std::size_t k = 0; k < moved.main.size(); ++k)
        moved.main.data()[k] += static_cast<float>(change.data()[k]);
      for (std::size_t k = 0; k < moved.residual.size(); ++k) {
        moved.residual.data()[k] += static_cast<float>(change.data()[moved.main.size() + k]);
      }
      return loss_with(bench, moved);
    };
    const double dense_loss = apply(dense), iterative_loss = apply(iterative);
    EXPECT_NEAR(iterative_loss, dense_loss, 1e-3 * dense_loss) << num_res;
  }
}

TEST(ColumnSweep, NeverRaisesTheLossAndKeepsTheGradient) {
  Threads threads(1);
  for (const int num_res : {0, 4}) {
    Workbench bench(threads, 100, 130, small_settings(8, 16, num_res));
    double loss = quantize(bench);
    for (int sweep = 0; sweep < 3; ++sweep) {
      double next = 0;
      for (RowTile& tile : bench.tiles) {
        sweep_columns(bench.square, bench.layout.segments, bench.assigners, tile);
        const double kept = loss_of(tile);
        const double fresh = refresh_gradient(bench.square, tile);
        EXPECT_NEAR(kept, fresh, 1e-3 * fresh);
        next += fresh;
      }
      EXPECT_LE(next, loss * (1 + 1e-5));
      loss = next;
    }
  }
}

TEST(Refinement, EveryRoundGainsOrStops) {
  Threads threads(1);
  double previous = std::numeric_limits<double>::infinity();
  for (const int rounds : {0, 1, 3}) {
    auto settings = small_settings(4, 16, 4);
    settings.refine_rounds = rounds;
    Workbench bench(threads, 64, 80, settings);
    quantize(bench);
    const double loss = refine(threads, bench.square, bench.layout.segments, bench.tiles,
                               bench.codebooks, settings, StoredType::float16);
    EXPECT_LT(loss, previous) << rounds;
    previous = loss;
  }
}

}  // namespace
}  // namespace tessera::solver
