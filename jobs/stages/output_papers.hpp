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

/// The files of the model's folder before it is scored, as they were meant: digests of the weights
/// from when they were written, of config files from their texts, of copied files from the model's.
/// An index is taken as it lies in @p folder.
std::map<std::string, format::FileRecord> meant_files(const PreparedRun& prepared,
                                                      const AssembledModel& assembled,
                                                      const std::filesystem::path& folder);

/// The manifest of a folder of these files, before it is scored. @pre the copied files are among
/// them
format::Manifest manifest_of(const PreparedRun& prepared, const AssembledModel& assembled,
                             std::map<std::string, format::FileRecord> files);

/// What the manifest says of the model's worth.
JsonValue scores_json(const RunReport& report);

}  // namespace tessera::jobs
