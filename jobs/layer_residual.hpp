#pragma once
#include "core/threads.hpp"
#include "jobs/layer_input.hpp"
#include "jobs/work_files.hpp"
#include "residual/residual_settings.hpp"

namespace tessera::jobs {

/// Gives a solved layer its residual, and measures on the kept tokens what compensation leaves of
/// its error: by every rule at the job's k_chunk, and by the exact one over a range of k_chunk.
/// @param name of the layer  @param weight what was quantized: of an equalized base the scaled
/// weights
void add_residual(Threads& threads, const std::string& name,
                  const residual::ResidualSettings& settings, MatrixView<const float> weight,
                  const LayerInput& input, SolvedLayer& solved);

}  // namespace tessera::jobs
