#pragma once
#include "jobs/equalized_weights.hpp"
#include "jobs/layer_input.hpp"
#include "jobs/plan.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/work_files.hpp"

// One layer from its weights and what is known of its input to what will be packed; no files, no
// other layer.
namespace tessera::jobs {

/// Which matrix the solver minimizes the error under.
enum class Objective {
  hessian,   ///< that of the layer's input
  identity,  ///< all channels alike: no input is known, or none that helps
};

/// Solves @p unit, with its residual and corrected bias where the job makes them. The reported
/// error is that under the input's plain Hessian, whatever was minimized. Throws InputError naming
/// tensor, row and column for weights that are not finite, and LayerFailure
///
/// - when the Hessian is not positive definite at this dampening,
/// - when a number of the result is not finite,
/// - when the error is above one half and above that of the layer solved under the identity: then
///   the Hessian did harm.
SolvedLayer solve_layer(Threads& threads, const PreparedRun& prepared, const LayerUnit& unit,
                        const EqualizedWeights& weights, const LayerInput& input, double dampening,
                        Objective objective);

/// The layer as it stays when it is not quantized; its weights are those of @p weights.
SolvedLayer keep_layer(const LayerUnit& unit, const EqualizedWeights& weights,
                       StoredType stored_type);
/// Weights that are not quantized, as they are written.
Matrix<float> as_stored(MatrixView<const float> weight, StoredType stored_type);

}  // namespace tessera::jobs
