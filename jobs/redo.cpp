#include "jobs/redo.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/plan.hpp"
#include "jobs/residual_budget.hpp"

namespace tessera::jobs {
namespace {

/// Whether what the sentence says differs has no part in the statistics of a calibration. What
/// calibration keeps beside its sums is a key of its own.
bool changes_no_calibration(const std::string& difference) {
  static constexpr std::string_view kKeys[] = {"quantize.method",         "quantize.vptq.",
                                               "quantize.aweq.",          "quantize.gptq.",
                                               "quantize.rtn.",           "quantize.equalize",
                                               "quantize.dampening_frac", "quantize.ladder.",
                                               "quantize.seed",           "quantize.budget.",
                                               "residual.bits",           "residual.scale_search",
                                               "residual.plain_share",    "residual.budget.",
                                               "evaluation.k_chunks",     "output."};
  return std::ranges::any_of(kKeys,
                             [&](std::string_view key) { return difference.starts_with(key); });
}

/// Whether what recipes would do to layers stays true, and only the choice among them is another.
bool changes_choice_only(const std::string& difference) {
  return difference.starts_with("quantize.budget.bits_per_weight") ||
         difference.starts_with("quantize.budget.measure");
}

/// What settings of all layers that differ make untrue beside the layers.
struct Changes {
  bool makes_scales = false;        ///< of inputs
  bool makes_measurements = false;  ///< of what recipes would do to layers
};

Changes changes_of(const RunRecord& record, const Fingerprint& fingerprint, bool makes_all,
                   const std::string& where) {
  Changes changes;
  for (const std::string& difference : fingerprint.differences_from(*record.fingerprint())) {
    if (difference.starts_with("quantize.overrides")) continue;
    if (!makes_all || !changes_no_calibration(difference)) {
      throw InputError(fmt::format(
          "{} holds a run of another job: {} (redo of some layers changes their settings "
          "only; of all, with --module '.*', also what calibration does not depend on). "
          "Mend the job, or run it with --fresh.",
          where, difference));
    }
    changes.makes_scales = true;
    if (!changes_choice_only(difference)) changes.makes_measurements = true;
  }
  return changes;
}

}  // namespace

std::set<std::string> commits_made_again(const RunRecord& record, const Fingerprint& fingerprint,
                                         const std::set<std::string>& layers,
                                         const std::string& where) {
  const bool makes_all = layers.size() == record.size().num_layers;
  const Changes changes = changes_of(record, fingerprint, makes_all, where);
  std::set<std::string> files;
  for (const std::string& layer : layers) {
    files.insert(layer);
    files.insert(quarantine_file_of(layer));
  }
  // A bias takes away what all layers in front of it have lost, too.
  for (const std::string& file : record.committed_below(kCorrectedFolder)) files.insert(file);
  for (const std::string& file : record.committed_below(std::string(kResidualStudy) + "/")) {
    files.insert(file);  // measured with the layers
  }
  if (changes.makes_scales) {
    for (const std::string& file : record.committed_below("equalized/")) files.insert(file);
    for (const std::string& file : record.committed_below("allocation/")) {
      if (changes.makes_measurements || file == kAllocationFile) files.insert(file);
    }
  }
  return files;
}

}  // namespace tessera::jobs
