#pragma once
#include <functional>
#include <memory>
#include <string>

#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/studied_models.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Around which model divergences are measured, and where they are kept.
struct DivergenceStudy {
  std::string stage;           ///< of the story, as it is called in progress
  std::string folder;          ///< in the work folder: "allocation"
  std::size_t samples = 2;     ///< of the calibration's, the first
  std::size_t num_groups = 6;  ///< of neighbouring blocks, at most
  std::function<std::unique_ptr<StudiedModel>(const EqualizedWeights&)> open;
};

/// "allocation/divergence-00003.h5": what the errors of one group of blocks do.
std::string divergence_file(const DivergenceStudy& study, std::size_t group);

/// Measures and commits, for each group of blocks and each kind of layer in it, what is gained by
/// mending those layers in the studied model. Divergences on the first calibration samples
/// (evaluation/original_predictions.hpp). Around the quantized model, since at few bits errors are
/// far from adding up and what matters is the next step from there.
///
/// Groups are drawn from the ticket counter. The kinds of a group share the way through the blocks
/// before it, and go through those behind it together.
/// In memory: hidden states of the samples once for each kind, and one block's weights. Collective.
/// @pre what the study opens is committed
void measure_divergences(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                         const DivergenceStudy& study);

}  // namespace tessera::jobs
