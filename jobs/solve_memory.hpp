#pragma once
#include <cstdint>

#include "calibration/statistics_extras.hpp"
#include "jobs/plan.hpp"

namespace tessera::jobs {

/// The most that solving @p unit holds at once on one rank, beside the program: its weights, the
/// Hessian in its forms, the tiles and what is made from them, its residual.
std::uint64_t solve_bytes(const QuantizeJob& job, const LayerUnit& unit,
                          const calibration::StatisticsExtras& extras, std::uint64_t num_threads);

}  // namespace tessera::jobs
