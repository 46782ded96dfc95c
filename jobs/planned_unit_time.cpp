#include <algorithm>
#include <cmath>

#include "jobs/equalized_weights.hpp"
#include "jobs/planned_scratch.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/planned_time.hpp"
#include "solver/vptq/centroid_reestimation.hpp"

namespace tessera::jobs {
namespace {

/// Iterations of conjugate gradients where a codebook is too large for an exact solve.
constexpr double kConjugateGradients = 10;
/// Passes over n x n numbers on one core: putting sums together, dividing, scaling, permuting.
constexpr double kSquarePasses = 8;
/// Points at which compensation is tried out (jobs/layer_residual).
constexpr double kCompensationPoints = 11;

double real(std::integral auto value) {
  return static_cast<double>(value);
}

/// Vectors a second of an iteration of k-means, between the measured sizes of codebooks on a
/// straight line in logarithms.
double kmeans_rate(const std::vector<SearchRate>& rates, double centroids) {
  if (centroids <= rates.front().centroids || rates.size() == 1) {
    // Below the smallest, every distance is computed.
    return rates.front().vectors * std::max(1.0, rates.front().centroids / centroids);
  }
  std::size_t i = 1;
  while (i + 1 < rates.size() && centroids > rates[i].centroids) ++i;
  const double low = std::log(rates[i - 1].centroids), high = std::log(rates[i].centroids);
  const double at = (std::log(centroids) - low) / (high - low);
  return std::exp((1 - at) * std::log(rates[i - 1].vectors) + at * std::log(rates[i].vectors));
}

/// A layer's sizes, and what its solvers share.
struct Solve {
  const RankClock& clock;
  double m, n;

  double products(double count) const {  // of (m, n) with (n, n)
    return clock.on_all_cores(count * 2 * m * n * n, clock.core().product_flops);
  }
  double columns(double count) const {
    return clock.on_all_cores(count * 2 * m * n * n, clock.core().column_flops);
  }
  double square_passes() const {
    return clock.on_one_core(kSquarePasses * sizeof(double) * n * n, clock.core().reduced_bytes);
  }
  double factor() const {
    return clock.on_one_core(2.0 / 3 * n * n * n, clock.core().factor_flops);
  }

  double kmeans(double vectors, double centroids, double v, double iterations) const {
    const double used = std::min(centroids, vectors);
    const double subset = std::min(vectors, std::max(8192.0, (used <= 8192 ? 32 : 8) * used));
    const double seeding = clock.on_all_cores(3 * used * subset * v, clock.core().distance_flops);
    const double rate = kmeans_rate(clock.core().kmeans, used);
    return seeding + clock.on_all_cores(vectors * (iterations + 1), rate);
  }
  double search(double vectors, double centroids, double v) const {
    return clock.on_all_cores(2 * vectors * centroids * v, clock.core().distance_flops);
  }
};

double vptq_seconds(const Solve& solve, const solver::VptqLayer& sizes,
                    const solver::VptqSettings& settings) {
  const double v = real(sizes.vector_len), groups = real(sizes.num_groups);
  const double k = real(sizes.num_centroids), kr = real(sizes.num_res_centroids);
  const double columns = solve.n - real(sizes.outlier_size);
  const double vectors = solve.m * columns / v, codebooks = kr > 0 ? 2 : 1;
  double training = groups * solve.kmeans(vectors / groups, k, v, settings.kmeans_iterations);
  double search = solve.search(vectors, k, v);
  if (kr > 0) {
    training += groups * solve.kmeans(vectors / groups, kr, v, settings.kmeans_iterations);
    search += solve.search(vectors * settings.residual_candidates, kr, v);
  }
  if (sizes.outlier_size > 0) {
    const double v0 = real(sizes.outlier_vector_len), k0 = real(sizes.num_outlier_centroids);
    const double outliers = solve.m * real(sizes.outlier_size) / v0;
    training += solve.kmeans(outliers, k0, v0, settings.kmeans_iterations);
    search += solve.search(outliers, k0, v0);
  }
  const double unknowns = k + kr, width = columns / groups;
  double reestimation = solve.columns(kConjugateGradients) / groups;
  if (unknowns <= real(solver::kDenseLimit)) {
    const double additions = codebooks * groups * solve.m / v * (width * width + width * unknowns);
    reestimation = solve.clock.on_all_cores(additions, solve.clock.core().fold_flops);
  }
  const double round = reestimation + solve.columns(2) + search;  // refreshed gradients, a sweep
  return training + solve.columns(1) + search + solve.columns(1) + settings.refine_rounds * round;
}

double integer_seconds(const Solve& solve, const solver::IntegerSettings& settings) {
  const CoreRates& core = solve.clock.core();
  const double weights = solve.m * solve.n;
  double seconds = solve.clock.on_all_cores(
      weights, settings.search_range ? core.ranged_weights : core.rounded_weights);
  seconds += solve.clock.on_all_cores(weights, core.rounded_weights);
  if (settings.rounding == solver::Rounding::rtn) return seconds;
  const double round = 6 * weights * solve.n;
  return seconds + solve.factor() + solve.columns(1) +
         solve.clock.on_all_cores(settings.refine_rounds * round, core.integer_flops);
}

double residual_seconds(const Solve& solve, const PreparedRun& prepared) {
  if (!prepared.job.residual.is_wanted()) return 0;
  const double tokens = real(prepared.extras.sample.num_rows);
  const double products = kCompensationPoints * tokens * 4 * solve.m * solve.n;
  return solve.clock.on_all_cores(solve.m * solve.n, solve.clock.core().ranged_weights) +
         solve.clock.on_all_cores(products, solve.clock.core().product_flops);
}

std::size_t num_sharing(const PreparedRun& prepared, const LayerUnit& unit) {
  return static_cast<std::size_t>(
      std::ranges::count_if(prepared.units, [&](const LayerUnit& other) {
        return other.layer.block == unit.layer.block && other.layer.input() == unit.layer.input();
      }));
}

double stored_weights(const PlannedModel& model, const model::LinearLayer& layer) {
  const auto info = model.original.info(layer.name + ".weight");
  return real(info.count() * size_of(info.dtype));
}

}  // namespace

double unit_seconds(const PlannedModel& model, const LayerUnit& unit, const RankClock& clock) {
  const PreparedRun& prepared = model.prepared;
  const Solve solve{clock, real(unit.layer.out_features), real(unit.layer.in_features)};
  const double triangles = prepared.extras.k_chunk > 0 ? 2 : 1;
  const double sums = triangles * sizeof(double) * solve.n * solve.n / 2;
  double seconds = clock.reading(stored_weights(model, unit.layer)) +
                   clock.reading(sums) / real(num_sharing(prepared, unit)) + solve.square_passes();
  if (unit.makes_integers()) {
    seconds += integer_seconds(solve, unit.aweq().integers);
  } else {
    const auto sizes = planned_sizes(unit, scale_type(prepared.job.output));
    seconds +=
        solve.factor() + vptq_seconds(solve, std::get<solver::VptqLayer>(sizes), unit.vptq());
  }
  seconds += solve.products(2) + residual_seconds(solve, prepared);  // the proxy error
  return seconds + clock.writing(real(solved_file_bytes(prepared, unit)), 1);
}

double equalize_seconds(const PlannedModel& model, std::size_t block, const RankClock& clock) {
  const PreparedRun& prepared = model.prepared;
  const solver::AweqSettings& settings = prepared.job.quantize.aweq;
  // No scale, fifteen coarse ones, and six around the best, of which some leave the unit interval.
  const double trials = settings.equalize == solver::Equalize::search ? 22 : 2;
  double seconds = clock.writing(0, 1);
  std::vector<model::InputKey> read;
  for (const LayerUnit& unit : prepared.units) {
    if (unit.layer.block != block) continue;
    const Solve solve{clock, real(unit.layer.out_features), real(unit.layer.in_features)};
    const double weights = solve.m * solve.n;
    const bool by_tokens = unit.makes_integers() && unit.aweq().integers.quantizes_input();
    const double product =
        by_tokens ? clock.on_all_cores(4 * weights * real(prepared.extras.sample.num_rows),
                                       clock.core().product_flops)
                  : solve.products(1);
    seconds += clock.reading(stored_weights(model, unit.layer)) +
               trials * (clock.on_all_cores(weights, clock.core().rounded_weights) + product);
    const model::InputKey input = balanced_as(unit.layer.input());
    if (std::ranges::find(read, input) != read.end()) continue;
    read.push_back(input);
    seconds += clock.reading(sizeof(double) * solve.n * solve.n / 2) + solve.square_passes();
  }
  return seconds;
}

}  // namespace tessera::jobs
