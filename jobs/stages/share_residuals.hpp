#pragma once
#include <optional>

#include "jobs/prepared_run.hpp"
#include "jobs/residual_budget.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Bytes that tokens fetch where they pay: gives each layer the k_chunk that makes the predicted
/// loss of all least under one budget. What errors of a kind and depth do to the model's
/// predictions is measured around the model that is compensated with one k_chunk of no more bytes,
/// by compensating those layers four times as much (jobs/measure_divergences.hpp), and
/// committed. Two ways of sharing are tried on the same samples, by those weights and by the number
/// of weights alone; where neither is better than one k_chunk for all, that is chosen. Nothing
/// where the job sets no budget. Collective.
/// @param layers as solved, in the order of the units  @pre every unit is committed
std::optional<ResidualBudget> share_residuals(RunContext& run, const PreparedRun& prepared,
                                              WorkFolder& work,
                                              const std::vector<LayerReport>& layers);

}  // namespace tessera::jobs
