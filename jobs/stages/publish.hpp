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
/// says why. The verdict is written as GATE.json to the output and the work folder either way;
/// report.json, report.html and quant_log.csv to the work folder.
RunReport publish(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                  const CheckedOutput& checked, const Scores& scores, WorkFolder& work);

/// The stored report of a run that has published what @p prepared asks for and whose output is
/// still there; nullopt when something is left to do.
std::optional<RunReport> report_of_finished_run(const PreparedRun& prepared,
                                                const WorkFolder& work);

}  // namespace tessera::jobs
