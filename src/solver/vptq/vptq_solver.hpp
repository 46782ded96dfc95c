#pragma once
#include <string>
#include <vector>

#include "core/threads.hpp"
#include "solver/layer_problem.hpp"
#include "solver/vptq/vptq_layer.hpp"
#include "solver/vptq/vptq_settings.hpp"

namespace tessera::solver {

/// Where the solver's time went and what it met on its way.
struct SolveReport {
  double proxy_error = 0;             ///< of the dequantized weights, relative_proxy_error
  double damp_fraction = 0;           ///< as used; above the asked one where H needed more
  std::size_t num_dead_columns = 0;   ///< columns no input ever reached
  std::vector<std::string> remarks;   ///< degenerate input and how it was handled, in sentences
  bool is_degraded = false;           ///< a declared fallback was needed
};

struct VptqResult {
  VptqLayer layer;
  SolveReport report;
};

/// Quantizes one layer: normalization, permutation, weighted k-means, column pass, residual codebook, refinement (vptq.md 1 and 8).
/// Same problem, settings and type give the same bytes for any number of threads.
/// @pre hessian is square with weight.cols rows
VptqResult solve_vptq(Threads& threads, const LayerProblem& problem, const VptqSettings& settings,
                      double damp_fraction, StoredType stored_type);

}  // namespace tessera::solver
