#pragma once
#include "core/dtype.hpp"
#include "core/threads.hpp"
#include "solver/integer/integer_layer.hpp"
#include "solver/integer/integer_settings.hpp"
#include "solver/layer_problem.hpp"
#include "solver/solve_report.hpp"

namespace tessera::solver {

struct IntegerResult {
  IntegerLayer layer;
  SolveReport report;
};

/// Quantizes one layer to integers with shared scales: ranges searched under the Hessian's
/// diagonal, then rounding to the nearest, or GPTQ's column pass (Frantar et al. 2022) with
/// refinement (integer_refinement.hpp). Scales are those of neighbouring columns whatever the order
/// of the pass. The layer has no bias and no input quantization yet. Same problem, settings and
/// type give the same bytes for any number of threads.
/// Throws LayerFailure when the dampened Hessian is not positive definite.
/// @pre hessian is square with weight.cols rows
IntegerResult solve_integers(Threads& threads, const LayerProblem& problem,
                             const IntegerSettings& settings, double damp_fraction,
                             StoredType scale_type);

/// Rounding to the nearest alone, without a Hessian: what an equalizing scale is judged by. (M, N),
/// dequantized.
Matrix<float> round_to_nearest(MatrixView<const float> weight, const IntegerSettings& settings,
                               StoredType scale_type);

}  // namespace tessera::solver
