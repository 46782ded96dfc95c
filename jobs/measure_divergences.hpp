#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Measures and commits, for each group of blocks and each kind of layer in it, what is gained by
/// leaving those layers as they were in a model whose other layers are all as the method's own
/// recipe makes them, roughly (jobs/measure_recipes.hpp). Divergences on the first calibration
/// samples (evaluation/divergence.hpp). Around the quantized model, since at few bits errors are
/// far from adding up and what matters is the next step from there.
///
/// Groups are drawn from the ticket counter. The kinds of a group share the way through the blocks
/// before it, and go through those behind it together.
/// In memory: hidden states of the samples once for each kind, and one block's weights. Collective.
/// @pre every layer's measurement is committed
void measure_divergences(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
