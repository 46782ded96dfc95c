#pragma once
#include <map>
#include <string>

#include "format/manifest.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_report.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/stages/evaluate.hpp"

// What lies beside the weights of an output for people and for checks. Neither holds times, thread
// counts or the folders of this machine: the same job gives the same bytes.
namespace tessera::jobs {

/// README.md.
std::string model_card_of(const PreparedRun& prepared, const AssembledModel& assembled,
                          const Scores& scores);

/// tessera_manifest.json of an output that consists of @p files.
format::Manifest manifest_of(const PreparedRun& prepared, const RunReport& report,
                             std::map<std::string, format::FileRecord> files);

}  // namespace tessera::jobs
