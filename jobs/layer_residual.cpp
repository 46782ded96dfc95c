#include "jobs/layer_residual.hpp"

#include <algorithm>
#include <numeric>

#include "residual/bucket_borders.hpp"
#include "residual/residual_solver.hpp"

namespace tessera::jobs {
namespace {

using residual::CompensationPoint;
using residual::SelectionRule;

/// Where nothing says how much will be compensated, what DecDEC's tuner allows a small device.
constexpr std::uint64_t kUsualChunk = 32;

std::vector<std::uint32_t> largest_first(const Matrix<double>& hessian) {
  std::vector<std::uint32_t> order(hessian.rows());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(
      order, [&](std::uint32_t a, std::uint32_t b) { return hessian(a, a) > hessian(b, b); });
  return order;
}

/// @param shares_out a budget may choose more
std::vector<CompensationPoint> points_to_measure(std::uint64_t k_chunk, bool shares_out) {
  std::vector<CompensationPoint> points;
  for (const std::uint64_t k : {0, 8, 16, 32, 64, 128}) points.push_back({SelectionRule::exact, k});
  if (shares_out) {
    for (const std::uint64_t k : {256, 512, 1024}) points.push_back({SelectionRule::exact, k});
  }
  for (const auto rule : {SelectionRule::exact, SelectionRule::bucket, SelectionRule::global,
                          SelectionRule::fixed, SelectionRule::random, SelectionRule::scaled}) {
    const CompensationPoint point{rule, k_chunk > 0 ? k_chunk : kUsualChunk};
    const bool is_there = std::ranges::any_of(points, [&](const CompensationPoint& other) {
      return other.rule == point.rule && other.k_chunk == point.k_chunk;
    });
    if (!is_there) points.push_back(point);
  }
  return points;
}

}  // namespace

void add_residual(Threads& threads, const std::string& name,
                  const residual::ResidualSettings& settings, MatrixView<const float> weight,
                  const LayerInput& input, SolvedLayer& solved) {
  if (!settings.is_wanted()) return;
  const Matrix<float> quantized = solver::dequantize(solved.layer);
  std::vector<double> importance;
  if (settings.scale_search == residual::ScaleSearch::weighted) {
    importance = input.importance(settings.plain_share);
  }
  solved.residual = residual::solve_residual(threads, weight, quantized, importance, settings.bits);
  solved.residual.top_magnitude = residual::bucket_borders(threads, input.tokens);
  solved.residual.static_order = largest_first(input.hessian);
  solved.compensation =
      points_to_measure(static_cast<std::uint64_t>(settings.k_chunk), settings.budget.is_wanted());
  residual::measure_compensation(threads, name, weight, quantized, solved.residual, input.tokens,
                                 solved.compensation);
}

}  // namespace tessera::jobs
