#include "jobs/stages/publish.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/machine.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/report_html.hpp"
#include "jobs/settings/job_file.hpp"
#include "jobs/stages/output_papers.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kStages[] = {"prepare", "calibrate", "equalize",
                                   "solve",   "assemble",  "evaluate"};

/// Versions that were tried (docs/formats.md).
const char* packages_for(OutputFormat format) {
  switch (format) {
    case OutputFormat::vptq:
      return "\"transformers>=4.48,<4.58\" vptq";
    case OutputFormat::compressed_tensors:
      return "\"transformers>=4.57,<4.58\" \"compressed-tensors>=0.20\"";
    case OutputFormat::gptq:
      return "\"transformers>=4.57,<4.58\" gptqmodel==5.6.12 optimum==2.0.0";
  }
  throw Bug("an OutputFormat without packages");
}

RunReport make_report(const RunContext& run, const PreparedRun& prepared,
                      const AssembledModel& assembled, const Scores& scores,
                      const WorkFolder& work) {
  const QuantizeJob& job = prepared.job;
  RunReport report;
  report.model = job.model.path.string();
  report.output_dir = job.output.dir.string();
  report.work_dir = job.runtime.work_dir.string();
  report.job_text = job_text(job);
  report.fingerprint = prepared.fingerprint.id();
  report.version = TESSERA_VERSION;
  report.packages = packages_for(job.output.format);
  report.machine = describe_machine(run.threads.count());
  report.machine.num_ranks = run.comm.size();
  report.layers = assembled.layers;
  for (const std::string stage : kStages) {
    if (stage == "equalize" && !equalizes(job.quantize)) continue;
    report.stages.push_back({stage, work.seconds_of(stage)});
  }
  report.num_samples = prepared.num_samples();
  report.sample_length = prepared.sample_length();
  report.bits_per_weight = assembled.packed.bits_per_weight();
  for (const LayerReport& row : assembled.layers) report.mean_proxy_error += row.proxy_error;
  report.mean_proxy_error /= static_cast<double>(assembled.layers.size());
  report.bytes_before = assembled.bytes_before;
  report.bytes_after = assembled.bytes_after;
  report.original = scores.original;
  report.quantized = scores.quantized;
  report.residual_bytes = assembled.residual_bytes;
  report.compensated = scores.compensated;
  report.max_perplexity_ratio = job.evaluation.max_perplexity_ratio;
  report.peak_memory_bytes = std::max(peak_memory_bytes(), work.peak_memory_bytes());
  report.gate_problems = gate_problems(scores, job.evaluation.max_perplexity_ratio);
  return report;
}

void write_reports(const RunReport& report, const WorkFolder& work) {
  write_file_atomically(work.path("quant_log.csv"), quant_log_csv(report.layers));
  write_file_atomically(work.path("report.html"), report_html(report));
  write_file_atomically(work.path("report.json"), to_json(report).to_text(2) + "\n");
}

}  // namespace

std::vector<std::string> gate_problems(const Scores& scores,
                                       const std::optional<double>& max_perplexity_ratio) {
  std::vector<std::string> problems = scores.damage;
  if (!scores.original || !scores.quantized) return problems;
  const double before = scores.original->perplexity;
  const double after = scores.quantized->perplexity;
  if (!std::isfinite(before) || !std::isfinite(after)) {
    problems.push_back(
        fmt::format("the perplexity is {} (of the original {}): not a number a "
                    "working model has",
                    after, before));
  } else if (max_perplexity_ratio && after > *max_perplexity_ratio * before) {
    problems.push_back(
        fmt::format("the perplexity is {:.3f}, {:.3f} times the original's {:.3f} "
                    "(evaluation.max_perplexity_ratio is {})",
                    after, after / before, before, *max_perplexity_ratio));
  }
  return problems;
}

namespace {

RunReport publish_as_first(RunContext& run, const PreparedRun& prepared,
                           const AssembledModel& assembled, const Scores& scores,
                           WorkFolder& work) {
  const RunReport report = make_report(run, prepared, assembled, scores, work);
  if (!report.is_published()) {
    run.log.warning(fmt::format("not published: {}. What was made stays in {}.",
                                fmt::join(report.gate_problems, "; "), report.model_dir()));
    write_reports(report, work);
    return report;
  }
  const Path& output = prepared.job.output.dir;
  const Path partial = partial_folder(output);
  write_file_atomically(partial / "README.md", model_card_of(prepared, assembled, scores));
  format::write_manifest(partial, manifest_of(prepared, report, format::record_files(partial)));
  publish_folder(output);
  write_reports(report, work);
  work.record_finished(digest_of_file(output / format::kManifestName));
  run.log.info("published " + output.string());
  return report;
}

}  // namespace

RunReport publish(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                  const Scores& scores, WorkFolder& work) {
  std::string text;
  cluster::on_first_rank(run.comm, [&] {
    text = to_json(publish_as_first(run, prepared, assembled, scores, work)).to_text();
  });
  const std::string origin = "the first rank's report";
  return report_from_json(JsonValue::parse(cluster::broadcast(run.comm, text), origin), origin);
}

std::optional<RunReport> report_of_finished_run(const PreparedRun& prepared,
                                                const WorkFolder& work) {
  const Path manifest = prepared.job.output.dir / format::kManifestName;
  const Path stored = work.path("report.json");
  if (!work.finished_manifest() || !std::filesystem::exists(manifest) ||
      !std::filesystem::exists(stored) || digest_of_file(manifest) != work.finished_manifest()) {
    return std::nullopt;
  }
  RunReport report;
  try {
    report = report_from_json(JsonValue::parse(read_text_file(stored), stored.string()),
                              stored.string());
  } catch (const InputError&) {
    return std::nullopt;  // a damaged report is made again
  }
  const Scores scores{report.original, report.quantized, report.compensated, {}};
  if (!gate_problems(scores, prepared.job.evaluation.max_perplexity_ratio).empty()) {
    return std::nullopt;  // the gate has been narrowed since
  }
  report.was_finished_before = true;
  return report;
}

}  // namespace tessera::jobs
