#pragma once
#include "jobs/plan.hpp"
#include "solver/quantized_layer.hpp"

namespace tessera::jobs {

/// The sizes @p unit will have when it is solved, without arrays except a permutation that stays;
/// what formats check before hours are spent. Throws InputError naming the layer when the settings
/// do not suit its shape.
solver::QuantizedLayer planned_sizes(const LayerUnit& unit, StoredType stored_type);

/// The type of the scales of integers: GPTQ knows halves only.
StoredType scale_type(const OutputSettings& output);

}  // namespace tessera::jobs
