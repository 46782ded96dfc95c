#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Corrects biases by what the calibration samples show (bias_correction: empirical; aweq.md
/// section 3, reading 1), in the order in which data flows: block by block, and in a block q, k and
/// v, then o, then gate and up, then down. All layers in front of a layer are quantized and
/// corrected when it is looked at, so that what they have lost on the way is corrected too:
///
///     change = -mean(y^ - y), shrunk, where it pays    (solver/aweq/bias_correction.hpp)
///
/// over all samples' tokens but the first, y of the original (equalized, if it is), y^ of the
/// quantized model with its inputs rounded as the engine does. Layers that the architecture gives
/// no bias, and those of experts, are left as they are; they are quantized nevertheless.
///
/// Goes by calibration shards as calibrate does and adds up in their order: the same changes for
/// any number of ranks and threads. Commits corrected/block-00004.h5 for each block, and both
/// models' hidden states behind it (corrected/original/block-00004/hidden-...,
/// corrected/quantized/...) to resume from. In memory: two blocks' weights, both models' states of
/// this rank's shards where runtime.host_memory has room for them (else of one shard), and inputs
/// of a batch. Nothing where no layer asks for it. Throws Interrupted before a block that the
/// walltime has no room for. Collective.
/// @pre every unit is solved
void correct(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
