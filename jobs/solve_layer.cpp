#include "jobs/solve_layer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "jobs/compare.hpp"
#include "jobs/layer_residual.hpp"
#include "jobs/planned_sizes.hpp"
#include "model/architecture.hpp"
#include "solver/aweq/bias_correction.hpp"
#include "solver/integer/input_range.hpp"
#include "solver/integer/integer_solver.hpp"
#include "solver/layer_failure.hpp"
#include "solver/vptq/vptq_solver.hpp"

namespace tessera::jobs {
namespace {

/// An error above it is compared with that of the layer solved without its Hessian: a second solve,
/// so not for every layer. Where nothing is quantized at all the error is 0, without the layer 1.
constexpr double kSuspiciousError = 0.5;

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}
bool is_finite(const solver::VptqLayer& layer) {
  return all_finite(layer.centroids.span()) && all_finite(layer.res_centroids.span()) &&
         all_finite(layer.outlier_centroids.span()) && all_finite(layer.scale) &&
         all_finite(layer.bias);
}
bool is_finite(const solver::IntegerLayer& layer) {
  return all_finite(layer.scale.span()) && all_finite(layer.bias);
}

/// What is committed is finite: one NaN in a scale poisons every layer behind it.
void require_finite(const SolvedLayer& solved) {
  const bool ok = std::visit([](const auto& layer) { return is_finite(layer); }, solved.layer) &&
                  all_finite(solved.bias_change) && std::isfinite(solved.report.proxy_error);
  if (!ok) throw solver::LayerFailure("the solver gave numbers that are not finite");
}

class LayerSolver {
 public:
  LayerSolver(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
              const EqualizedWeights& weights, const LayerInput& input, double dampening)
      : threads_(threads),
        prepared_(prepared),
        unit_(unit),
        weights_(weights),
        input_(input),
        dampening_(dampening),
        weight_(weights.read_matrix(unit.layer.name + ".weight", unit.layer.out_features,
                                    unit.layer.in_features)) {}

  SolvedLayer run(Objective objective) const {
    const residual::ResidualSettings& residual = prepared_.job.residual;
    const bool is_compensated = objective == Objective::hessian && !input_.left.empty();
    Matrix<double> own;
    if (objective == Objective::identity) own = identity(unit_.layer.in_features);
    if (is_compensated) own = input_.objective(residual.plain_share);
    const MatrixView<const double> minimized = own.empty() ? input_.hessian.view() : own.view();
    SolvedLayer solved = quantize(minimized);
    require_finite(solved);
    if (objective == Objective::hessian && input_.problem.empty()) {
      require_worth(minimized, solved.report.proxy_error);
    }
    if (unit_.makes_integers()) {
      complete(solved, objective == Objective::hessian ? minimized : input_.hessian.view());
    }
    if (!own.empty()) report_error(solved);
    add_residual(threads_, unit_.layer.name, residual, weight_, input_, solved);
    solved.weight_error = difference(weight_, solver::dequantize(solved.layer)).relative;
    require_finite(solved);
    return solved;
  }

 private:
  solver::LayerProblem problem(MatrixView<const double> hessian) const {
    return {unit_.layer.name, weight_, hessian};
  }

  SolvedLayer quantize(MatrixView<const double> hessian) const {
    const OutputSettings& output = prepared_.job.output;
    if (unit_.makes_integers()) {
      auto result = solver::solve_integers(threads_, problem(hessian), unit_.aweq().integers,
                                           dampening_, scale_type(output));
      return {std::move(result.layer), std::move(result.report)};
    }
    auto result =
        solver::solve_vptq(threads_, problem(hessian), unit_.vptq(), dampening_, output.dtype);
    return {std::move(result.layer), std::move(result.report)};
  }

  /// Under the plain Hessian. One that is not positive definite may give no number: then the error
  /// under what was minimized stays.
  void report_error(SolvedLayer& solved) const {
    const double error = solver::relative_proxy_error(threads_, problem(input_.hessian),
                                                      solver::dequantize(solved.layer));
    if (std::isfinite(error)) solved.report.proxy_error = error;
  }

  void require_worth(MatrixView<const double> minimized, double error) const {
    if (error <= kSuspiciousError) return;
    const SolvedLayer plain = quantize(identity(unit_.layer.in_features));
    const double without =
        solver::relative_proxy_error(threads_, problem(minimized), solver::dequantize(plain.layer));
    if (error <= without) return;
    throw solver::LayerFailure(fmt::format(
        "its error of {:.4g} is above the {:.4g} of the layer solved without its Hessian", error,
        without));
  }

  /// What integers have beside codes and scales: the input's range, a bias, and what would take
  /// the mean of the output error away where the architecture has a place for it.
  void complete(SolvedLayer& solved, MatrixView<const double> hessian) const {
    auto& layer = std::get<solver::IntegerLayer>(solved.layer);
    const solver::IntegerSettings& settings = unit_.aweq().integers;
    if (settings.quantizes_input())
      layer.input = solver::static_input(input_.low, input_.high, settings.input_scale,
                                         scale_type(prepared_.job.output));
    layer.has_bias = unit_.layer.has_bias;
    if (layer.has_bias)
      layer.bias = weights_.read_vector(unit_.layer.name + ".bias", unit_.layer.out_features);
    if (unit_.aweq().bias_correction != solver::BiasCorrection::analytic) return;
    if (!model::may_have_bias(prepared_.config, unit_.layer.role)) return;
    auto corrected = solver::correct_bias(threads_, problem(hessian), solver::dequantize(layer),
                                          input_.mean, input_.num_tokens);
    solved.report.bias_gain = corrected.gain;
    solved.bias_change = std::move(corrected.change);
  }

  Threads& threads_;
  const PreparedRun& prepared_;
  const LayerUnit& unit_;
  const EqualizedWeights& weights_;
  const LayerInput& input_;
  const double dampening_;
  const Matrix<float> weight_;
};

}  // namespace

SolvedLayer solve_layer(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
                        const EqualizedWeights& weights, const LayerInput& input, double dampening,
                        Objective objective) {
  const auto start = std::chrono::steady_clock::now();
  SolvedLayer solved =
      LayerSolver(threads, prepared, unit, weights, input, dampening).run(objective);
  solved.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return solved;
}

Matrix<float> as_stored(MatrixView<const float> weight, StoredType stored_type) {
  Matrix<float> stored(weight.rows, weight.cols);
  for (std::size_t i = 0; i < weight.rows; ++i) {
    for (std::size_t j = 0; j < weight.cols; ++j)
      stored(i, j) = rounded_to(stored_type, weight(i, j));
  }
  return stored;
}

SolvedLayer keep_layer(const LayerUnit& unit, const EqualizedWeights& weights,
                       StoredType stored_type) {
  const auto weight = weights.read_matrix(unit.layer.name + ".weight", unit.layer.out_features,
                                          unit.layer.in_features);
  SolvedLayer kept;
  kept.weight_error = difference(weight, as_stored(weight, stored_type)).relative;
  kept.is_kept = true;
  return kept;
}

}  // namespace tessera::jobs
