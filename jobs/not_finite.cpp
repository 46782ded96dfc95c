#include "jobs/not_finite.hpp"

#include "jobs/plan.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kKind = "not finite";

}  // namespace

void commit_not_finite(WorkFolder& work, Log& log, std::size_t block, std::size_t shard,
                       std::size_t num_shards, const BlockStatistics& partial) {
  if (partial.not_finite.empty()) return;
  NotFinite found;
  for (const auto& [input, problem] : partial.not_finite) {
    found.inputs.push_back({model::name_of(input), problem});
    log.warning(problem + "; its layers are quarantined, and the sample is left out from here on");
  }
  work.commit(not_finite_file(block, shard, num_shards), kKind, found);
}

void copy_not_finite(const WorkFolder& from, WorkFolder& to, const std::string& file) {
  NotFinite found;
  from.load(file, kKind, found);
  to.commit(file, kKind, found);
}

std::string not_finite_problem(const WorkFolder& work, std::size_t block,
                               const model::InputKey& input) {
  for (const std::string& file : work.committed_below(not_finite_prefix(block))) {
    NotFinite found;
    work.load(file, kKind, found);
    for (const NotFinite::OfInput& of_input : found.inputs) {
      if (of_input.input == model::name_of(input)) return of_input.problem;
    }
  }
  return "";
}

}  // namespace tessera::jobs
