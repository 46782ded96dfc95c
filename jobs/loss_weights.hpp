#pragma once
#include <span>
#include <vector>

#include "jobs/measure_divergences.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// What each unit's error costs in a studied model, by unit, in nats: half by what was measured for
/// its kind and group of blocks, shared out among the layers by their errors; half by what one
/// recipe for all takes for granted, that a bit pays the same everywhere. Then a layer's loss goes
/// by its number of weights, since errors fall by the same factor with each bit. Few tokens tell
/// the small layers' gains from the noise badly, and a choice that follows the noise is worse than
/// none.
/// @param errors of the units in that model, in a measure that compares layers of one kind
/// @param removed of each error, what the study's mending takes away
/// @pre the study's divergences are committed
std::vector<double> losses_of_units(const PreparedRun& prepared, const WorkFolder& work,
                                    const DivergenceStudy& study, std::span<const double> errors,
                                    std::span<const double> removed);

}  // namespace tessera::jobs
