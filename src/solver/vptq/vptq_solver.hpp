#pragma once
#include "core/threads.hpp"
#include "solver/layer_problem.hpp"
#include "solver/solve_report.hpp"
#include "solver/vptq/vptq_layer.hpp"
#include "solver/vptq/vptq_settings.hpp"

namespace tessera::solver {

struct VptqResult {
  VptqLayer layer;
  SolveReport report;
};

/// Quantizes one layer: normalization, permutation, weighted k-means, column pass, residual
/// codebook, refinement (vptq.md 1 and 8). Same problem, settings and type give the same bytes for
/// any number of threads. Throws LayerFailure when the dampened Hessian is not positive definite.
/// @pre hessian is square with weight.cols rows
VptqResult solve_vptq(Threads& threads, const LayerProblem& problem, const VptqSettings& settings,
                      double damp_fraction, StoredType stored_type);

}  // namespace tessera::solver
