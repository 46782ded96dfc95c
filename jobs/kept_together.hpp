#pragma once
#include <map>
#include <set>
#include <string>

#include "jobs/plan.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_record.hpp"
#include "jobs/work_folder.hpp"

// Engines that load integers join layers that read one input into one module and refuse it where
// only some of them are quantized: what is loaded together with a kept layer is kept too
// (quantize.ladder, fallback keep).
namespace tessera::jobs {

/// Whether engines load the two layers as one: q, k, v; gate, up; all experts of a mixture.
bool are_loaded_as_one(const model::LinearLayer& a, const model::LinearLayer& b);

/// Whether a kept layer of the job takes others with it. Readers of VPTQ load every layer by
/// itself.
bool keeps_together(const QuantizeJob& job);

/// Units that are not kept but loaded as one with a unit that the ladder kept: its module, by unit.
/// @pre every unit is solved
std::map<const LayerUnit*, std::string> to_be_kept_beside(const PreparedRun& prepared,
                                                          WorkFolder& work);

/// @p solved (files below solved/) and those that may have been kept because of them: solved again,
/// a layer may hold that did not before.
std::set<std::string> with_those_kept_beside(const PreparedRun& prepared, const RunRecord& record,
                                             std::set<std::string> solved);

}  // namespace tessera::jobs
