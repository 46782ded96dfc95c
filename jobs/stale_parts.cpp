#include "jobs/stale_parts.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "format/residual_tensors.hpp"
#include "jobs/assembled_shards.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/job_fingerprint.hpp"
#include "jobs/kept_together.hpp"
#include "jobs/plan.hpp"
#include "jobs/redo.hpp"
#include "jobs/settings/layer_choice.hpp"
#include "jobs/stages/prepare.hpp"

namespace tessera::jobs {
namespace {

/// The layers whose packed bytes follow from one of @p files.
std::set<std::string> layers_of(const PreparedRun& prepared, const std::set<std::string>& files) {
  std::set<std::string> layers;
  for (const LayerUnit& unit : prepared.units) {
    const bool is_stale =
        std::ranges::any_of(files_of(prepared, unit.layer),
                            [&](const std::string& file) { return files.contains(file); });
    if (is_stale) layers.insert(unit.layer.name);
  }
  return layers;
}

void sort_shards(const WorkFolder& work, const std::set<std::string>& layers, StaleParts& stale) {
  std::size_t num_kept = 0;
  for (const auto& [file, shard] : assembled_shards(work)) {
    if (file.starts_with(format::kResidualStem)) {
      stale.residuals.push_back(file);
    } else if (std::ranges::any_of(
                   shard.layers, [&](const std::string& name) { return layers.contains(name); })) {
      stale.shards.push_back(file);
    } else {
      ++num_kept;
    }
  }
  if (num_kept > 0) {
    stale.kept.push_back(fmt::format("{} of {} shards", num_kept, num_kept + stale.shards.size()));
  }
}

void sort_scores(const WorkFolder& work, StaleParts& stale) {
  for (const std::string& file : work.committed_below("evaluation/")) {
    if (file.starts_with("evaluation/original")) {
      stale.kept.push_back("the score of the original");
    } else {
      stale.scores.push_back(file);
    }
  }
}

std::string sentence(const char* what, const std::vector<std::string>& names) {
  constexpr std::size_t kNamedAtMost = 12;
  const auto last =
      names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamedAtMost));
  return fmt::format(
      "{}: {}{}", what, fmt::join(names.begin(), last, ", "),
      names.size() > kNamedAtMost ? fmt::format(" and {} more", names.size() - kNamedAtMost) : "");
}

/// What each list is of, for people and as a key.
struct Kind {
  const char* text;
  const char* key;
  std::vector<std::string> StaleParts::*names;
};
constexpr Kind kKinds[] = {
    {"solved again", "layers", &StaleParts::layers},
    {"scales found again", "scales", &StaleParts::scales},
    {"shards packed again", "shards", &StaleParts::shards},
    {"residuals written again", "residuals", &StaleParts::residuals},
    {"scores measured again", "scores", &StaleParts::scores},
    {"written again", "papers", &StaleParts::papers},
    {"kept", "kept", &StaleParts::kept},
};

}  // namespace

std::set<std::string> solved_files(const std::vector<LayerUnit>& units,
                                   const std::string& pattern) {
  std::set<std::string> files;
  for (const LayerUnit& unit : units) {
    if (matches(pattern, unit.layer.name)) files.insert(solved_file(unit.layer));
  }
  require_input(!files.empty(),
                fmt::format("--module is '{}' (it matches no layer that is quantized, such as {}). "
                            "Mend the pattern.",
                            pattern, units.back().layer.name));
  return files;
}

StaleParts find_stale(const PreparedRun& prepared, const WorkFolder& work,
                      const std::set<std::string>& redone) {
  StaleParts stale;
  if (!work.holds_run()) return stale;
  const Fingerprint wanted = fingerprint_on_contents_of(*work.fingerprint(), prepared);
  const auto made_again = commits_made_again(work.record(), wanted, redone, work.root().string());
  for (const LayerUnit& unit : prepared.units) {
    if (!redone.contains(solved_file(unit.layer))) continue;
    stale.layers.push_back(unit.layer.name);
  }
  const std::set<std::string> packed_again = layers_of(prepared, made_again);
  for (const std::string& file : made_again) {
    if (file.starts_with("equalized/")) stale.scales.push_back(file);
  }
  stale.kept.push_back(fmt::format("the calibration of {} blocks", work.num_calibrated()));
  if (stale.layers.size() < prepared.units.size()) {
    stale.kept.push_back(fmt::format("{} layers", prepared.units.size() - stale.layers.size()));
  }
  if (stale.scales.empty() && !work.committed_below("equalized/").empty()) {
    stale.kept.push_back("the scales that balance inputs and weights");
  }
  sort_shards(work, packed_again, stale);
  sort_scores(work, stale);
  stale.papers = {"tessera_manifest.json", "README.md", "report.json", "report.html",
                  "quant_log.csv"};
  if (prepared.job.evaluation.max_perplexity_ratio) stale.papers.emplace_back("the gate's verdict");
  return stale;
}

StaleParts preview_redo(RunContext& run, const QuantizeJob& job) {
  const WorkFolder work(job.runtime.work_dir, run.log, run.comm.rank());
  require_input(
      work.holds_run(),
      fmt::format("{} holds no run (there is nothing to redo). Check runtime.work_dir, or "
                  "start with tessera run.",
                  job.runtime.work_dir.string()));
  const PreparedRun prepared = open_inputs(run, job, work, ExistingRun::redo);
  return find_stale(prepared, work,
                    with_those_kept_beside(prepared, work.record(),
                                           solved_files(prepared.units, run.redo_module)));
}

std::vector<std::string> lines_of(const StaleParts& stale) {
  std::vector<std::string> lines;
  for (const Kind& kind : kKinds) {
    if (!(stale.*kind.names).empty()) lines.push_back(sentence(kind.text, stale.*kind.names));
  }
  return lines;
}

JsonValue to_json(const StaleParts& stale) {
  JsonValue document = JsonValue::object();
  for (const Kind& kind : kKinds) {
    JsonValue names = JsonValue::list();
    for (const std::string& name : stale.*kind.names) names.append(name);
    document.set(kind.key, std::move(names));
  }
  return document;
}

}  // namespace tessera::jobs
