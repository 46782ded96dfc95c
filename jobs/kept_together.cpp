#include "jobs/kept_together.hpp"

#include "jobs/packed_layers.hpp"

namespace tessera::jobs {

bool are_loaded_as_one(const model::LinearLayer& a, const model::LinearLayer& b) {
  if (a.block != b.block) return false;
  return (a.expert && b.expert) || a.input() == b.input();
}

bool keeps_together(const QuantizeJob& job) {
  return job.output.format != OutputFormat::vptq && job.quantize.ladder.fallback == Fallback::keep;
}

std::map<const LayerUnit*, std::string> to_be_kept_beside(const PreparedRun& prepared,
                                                          WorkFolder& work) {
  std::map<const LayerUnit*, std::string> beside;
  if (!keeps_together(prepared.job)) return beside;
  for (const LayerUnit& unit : prepared.units) {
    if (!work.is_committed(quarantine_file_of(solved_file(unit.layer))) ||
        !load_solved(work, unit.layer).is_kept) {
      continue;
    }
    for (const LayerUnit& other : prepared.units) {
      if (!are_loaded_as_one(unit.layer, other.layer) || beside.contains(&other)) continue;
      if (!load_solved(work, other.layer).is_kept) beside.emplace(&other, unit.layer.module);
    }
  }
  return beside;
}

std::set<std::string> with_those_kept_beside(const PreparedRun& prepared, const RunRecord& record,
                                             std::set<std::string> solved) {
  if (!keeps_together(prepared.job)) return solved;
  const std::set<std::string> asked = solved;
  for (const LayerUnit& unit : prepared.units) {
    const std::string file = solved_file(unit.layer);
    if (!asked.contains(file) || !record.committed().contains(quarantine_file_of(file))) continue;
    for (const LayerUnit& other : prepared.units) {
      if (are_loaded_as_one(unit.layer, other.layer)) solved.insert(solved_file(other.layer));
    }
  }
  return solved;
}

}  // namespace tessera::jobs
