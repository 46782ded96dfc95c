#include "jobs/solve_memory.hpp"

#include <algorithm>

#include "solver/vptq/centroid_reestimation.hpp"

namespace tessera::jobs {
namespace {

using Bytes = std::uint64_t;

/// Of a layer with m outputs and n inputs.
struct Layer {
  Bytes m, n;
  Bytes weights() const { return m * n * sizeof(float); }      ///< one copy of them
  Bytes square() const { return n * n * sizeof(double); }      ///< one form of the Hessian
  Bytes half_square() const { return n * n * sizeof(float); }  ///< the same in fp32
};

/// Transposed weights, what stands for them, and the gradient.
constexpr Bytes kTiles = 3;
/// Rows of a tile at most, as in solver/vptq/row_tiles.
constexpr Bytes kTileRows = 512;
constexpr Bytes kMaxPartials = 16;            // of a codebook's normal equations
constexpr std::size_t kManyCentroids = 1024;  // from here on k-means sorts its vectors

/// K-means beside the tiles: planes and rows of the vectors, each with its weight, index and
/// number; sorted anew, a second copy of the rows.
Bytes training_bytes(const Layer& layer, const solver::VptqSettings& settings) {
  const auto v = static_cast<Bytes>(settings.vector_len);
  const Bytes vectors = layer.m * layer.n / v / static_cast<Bytes>(settings.num_groups);
  const Bytes row = (v + 1) * sizeof(float);
  const bool is_sorted = static_cast<std::size_t>(settings.num_centroids) >= kManyCentroids;
  return vectors * (row + row + 2 * sizeof(std::uint32_t) +
                    (is_sorted ? row + 3 * sizeof(std::uint32_t) : 0));
}

Bytes refinement_bytes(const Layer& layer, const solver::VptqSettings& settings, Bytes threads) {
  const auto unknowns = static_cast<Bytes>(settings.num_centroids + settings.num_res_centroids);
  if (unknowns > solver::kDenseLimit) return threads * 2 * layer.n * kTileRows * sizeof(float);
  const Bytes indices = threads * layer.n * kTileRows * sizeof(std::uint32_t) /
                        static_cast<Bytes>(settings.vector_len);
  return unknowns * unknowns * (kMaxPartials * sizeof(float) + 3 * sizeof(double)) + indices;
}

/// The triangle of the factor in fp64, and what becomes of it in fp32.
Bytes factor_bytes(const Layer& layer) {
  return layer.square() / 2 + layer.half_square();
}

Bytes vptq_bytes(const Layer& layer, const solver::VptqSettings& settings, Bytes threads) {
  const Bytes codebooks = settings.num_res_centroids > 0 ? 2 : 1;
  const Bytes indices = codebooks * sizeof(std::uint16_t) * layer.m * layer.n /
                        static_cast<Bytes>(settings.vector_len);
  const Bytes solving = kTiles * layer.weights() + indices;
  const Bytes finish = indices + layer.weights();  // the layer, dequantized
  // U and the matrix it belongs to are made one after the other.
  return std::max(factor_bytes(layer),
                  solving + layer.half_square() +
                      std::max({training_bytes(layer, settings),
                                refinement_bytes(layer, settings, threads), finish}));
}

Bytes integer_bytes(const Layer& layer, const solver::IntegerSettings& settings, Bytes threads) {
  const bool uses_hessian = settings.rounding != solver::Rounding::rtn;
  const Bytes prepare = uses_hessian ? factor_bytes(layer) : 0;
  const Bytes codes = layer.m * layer.n;
  const Bytes tiles = kTiles * layer.weights() + codes;
  const Bytes errors = threads * layer.n * kTileRows * sizeof(float);
  const Bytes finish = codes + layer.weights() + layer.half_square();
  return std::max(prepare + tiles,
                  (uses_hessian ? 2 * layer.half_square() : 0) + tiles + std::max(errors, finish));
}

/// What compensation leaves and what is minimized; codes and dequantized weights; the kept tokens,
/// and those that each way of choosing keeps.
Bytes residual_bytes(const Layer& layer, const calibration::StatisticsExtras& extras) {
  constexpr Bytes kWaysOfChoosing = 12;
  const Bytes squares = extras.k_chunk > 0 ? 2 * layer.square() : 0;
  return squares + layer.weights() + layer.m * layer.n +
         (kWaysOfChoosing + 2) * extras.sample.num_rows * layer.n * sizeof(float);
}

}  // namespace

std::uint64_t solve_bytes(const QuantizeJob& job, const LayerUnit& unit,
                          const calibration::StatisticsExtras& extras, std::uint64_t num_threads) {
  const Layer layer{unit.layer.out_features, unit.layer.in_features};
  const Bytes held = layer.weights() + layer.square();  // all the while
  const Bytes solver = unit.makes_integers()
                           ? integer_bytes(layer, unit.aweq().integers, num_threads)
                           : vptq_bytes(layer, unit.vptq(), num_threads);
  return held + solver + (job.residual.is_wanted() ? residual_bytes(layer, extras) : 0);
}

}  // namespace tessera::jobs
