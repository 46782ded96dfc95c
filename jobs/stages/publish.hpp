#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/run_report.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/stages/evaluate.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// The gate, then one rename: where nothing speaks against it, OUTPUT.partial gets its model card
/// and its manifest and becomes OUTPUT. Otherwise it stays where it is, and report.gate_problems
/// says why. report.json, report.html and quant_log.csv are written to the work folder either way.
RunReport publish(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                  const Scores& scores, WorkFolder& work);

/// The stored report of a run that has published what @p prepared asks for and whose output is
/// still there; nullopt when something is left to do.
std::optional<RunReport> report_of_finished_run(const PreparedRun& prepared,
                                                const WorkFolder& work);

/// What speaks against publishing a model of these scores; one sentence each.
std::vector<std::string> gate_problems(const Scores& scores,
                                       const std::optional<double>& max_perplexity_ratio);

}  // namespace tessera::jobs
