#include "jobs/ledger_source.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/core.h>

#include "cluster/communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "format/manifest.hpp"
#include "jobs/settings/job_file.hpp"
#include "jobs/status.hpp"
#include "jobs/work_folder.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

using DigestsByName = std::map<std::string, std::string>;

std::string digest_of_model(const DigestsByName& files) {
  if (files.empty()) return "";
  Digest digest;
  for (const auto& [name, of_file] : files) digest.add_text(name).add_text(of_file);
  return digest.hex();
}

/// The model's config and weights among what a fingerprint, or a manifest, names under @p prefix; a
/// manifest names what was copied, too.
DigestsByName model_files(const DigestsByName& named, std::string_view prefix) {
  DigestsByName files;
  for (const auto& [key, digest] : named) {
    if (!key.starts_with(prefix)) continue;
    const std::string name = key.substr(prefix.size());
    if (name == "config.json" || name.ends_with(".safetensors")) files[name] = digest;
  }
  return files;
}

LedgerOutput output_of(const fs::path& folder, const format::Manifest& manifest) {
  LedgerOutput output{folder.string(), digest_of_file(folder / format::kManifestName), {}};
  for (const auto& [file, record] : manifest.files) output.files[file] = record.sha256;
  return output;
}

/// Empty where the job cannot be read: its keys may be those of another program.
std::string model_path_of(const std::string& job) {
  try {
    return job_from_text(job, "the job").model.path;
  } catch (const InputError&) {
    return "";
  }
}

LedgerRow row_of_output(const fs::path& folder) {
  const format::Manifest manifest = format::read_manifest(folder);
  LedgerRow row;
  row.end = RunEnd::done;
  row.model.sha256 = digest_of_model(model_files(manifest.inputs, "model/"));
  row.recipe.job = manifest.job;
  row.model.path = model_path_of(manifest.job);
  if (const auto job = manifest.inputs.find("job"); job != manifest.inputs.end()) {
    row.recipe.fingerprint = job->second;
  }
  if (const auto version = manifest.versions.find("tessera"); version != manifest.versions.end()) {
    row.program.version = version->second;
  }
  const JsonValue& scores = manifest.scores;
  row.scores.bits_per_weight = scores.at("bits_per_weight").number();
  row.scores.mean_proxy_error = scores.at("mean_proxy_error").number();
  if (scores.contains("original") && scores.contains("quantized")) {
    const JsonValue& quantized = scores.at("quantized");
    row.scores.original = scores.at("original").at("perplexity").number();
    row.scores.quantized = quantized.at("perplexity").number();
    row.scores.context_length =
        static_cast<std::uint64_t>(quantized.at("context_length").integer());
    row.scores.tokens = static_cast<std::uint64_t>(quantized.at("tokens").integer());
  }
  row.output = output_of(folder, manifest);
  return row;
}

std::string layer_name(const LayerReport& layer) {
  return fmt::format("layers.{}.{}", layer.block, layer.module);
}

void take_scores(const RunReport& report, LedgerRow& row) {
  if (report.original && report.quantized) {
    row.scores.original = report.original->perplexity;
    row.scores.quantized = report.quantized->perplexity;
    row.scores.context_length = report.quantized->context_length;
    row.scores.tokens = report.quantized->num_tokens;
  }
  row.scores.bits_per_weight = report.bits_per_weight;
  row.scores.mean_proxy_error = report.mean_proxy_error;
  for (const LayerReport& layer : report.layers) {
    row.layers.push_back({layer_name(layer), layer.bits, layer.proxy_error});
  }
}

void take_report(const RunReport& report, const WorkFolder& work, LedgerRow& row) {
  row.end = !report.is_published() ? RunEnd::refused
            : report.is_degraded() ? RunEnd::degraded
                                   : RunEnd::done;
  for (const std::string& problem : report.gate_problems) {
    row.problems.push_back("not published: " + problem);
  }
  for (const LayerReport& layer : report.layers) {
    if (!layer.is_degraded) continue;
    row.problems.push_back(
        fmt::format("{} is degraded: {}", layer_name(layer),
                    layer.remarks.empty() ? "see its report" : layer.remarks.front()));
  }
  row.model.path = report.model;
  row.recipe.job = report.job_text;
  row.program = {report.version, report.commit};
  row.machine = report.machine;
  take_scores(report, row);
  for (const StageReport& stage : report.stages) row.seconds[stage.name] = stage.seconds;
  row.peak_memory_bytes = report.peak_memory_bytes;
  row.report_sha256 = digest_of_file(work.path("report.json"));
  row.output.dir = report.model_dir();
  const fs::path manifest = fs::path(report.output_dir) / format::kManifestName;
  if (report.is_published() && fs::exists(manifest) &&
      digest_of_file(manifest) == work.finished_manifest()) {
    row.output = output_of(report.output_dir, format::read_manifest(report.output_dir));
  }
}

void take_failure(const RunStatus& status, std::optional<int> exit_code, const std::string& said,
                  LedgerRow& row) {
  row.end = RunEnd::failed;
  std::string problem = exit_code ? fmt::format("it ended with {}", *exit_code)
                                  : std::string("it ended without saying how");
  const std::string& error = status.error.empty() ? said : status.error;
  if (!error.empty()) problem += ": " + error;
  if (!status.progress.empty()) problem += fmt::format(" ({})", status.progress);
  row.problems.push_back(problem);
  const fs::path job = status.work_dir / "job.yaml";
  if (!fs::exists(job)) return;
  row.recipe.job = read_text_file(job);
  row.model.path = model_path_of(row.recipe.job);
}

/// Whether the report that lies in the folder is that of the last attempt.
bool has_result(const RunStatus& status, std::optional<int> exit_code, const fs::path& report) {
  if (!fs::exists(report)) return false;
  if (exit_code) return *exit_code == 0 || *exit_code == 3 || *exit_code == 4;
  return status.state == RunState::finished;
}

LedgerRow row_of_work(const LedgerEntry& entry) {
  SilentLog log;
  const WorkFolder work(entry.folder, log);
  const RunStatus status = read_status(entry.folder);
  if (status.state == RunState::running) {
    throw InputError(
        fmt::format("{} is at work ({}). Wait for the run to end.", entry.folder.string(),
                    status.held_by.empty() ? "its ranks give signs of life" : status.held_by));
  }
  const auto exit_code = entry.exit_code ? entry.exit_code : status.exit_code;
  LedgerRow row;
  row.program = {TESSERA_VERSION, entry.commit};
  row.host = cluster::host_name();
  for (const RankStatus& rank : status.ranks) {
    if (rank.rank == 0) row.host = rank.host;
  }
  const fs::path report = work.path("report.json");
  if (has_result(status, exit_code, report)) {
    const auto document = JsonValue::parse(read_text_file(report), report.string());
    take_report(report_from_json(document, report.string()), work, row);
  } else {
    take_failure(status, exit_code, entry.error, row);
  }
  if (const auto& fingerprint = work.fingerprint()) {
    row.recipe.fingerprint = fingerprint->id();
    row.model.sha256 = digest_of_model(model_files(fingerprint->parts(), "the content of "));
  }
  return row;
}

void require_a_run(const LedgerEntry& entry) {
  const bool has_failed = entry.exit_code && *entry.exit_code != 0;
  const fs::path& folder = entry.folder;
  if (has_failed || fs::exists(folder / "journal.jsonl") || fs::exists(folder / "logs")) return;
  throw InputError(fmt::format(
      "{} {} (nothing tells of a run). Name a work folder or an output; a run that failed before "
      "it made one is entered with --exit-code.",
      folder.string(),
      fs::exists(folder) ? "is neither a work folder nor an output" : "does not exist"));
}

std::string folder_name(const fs::path& folder) {
  const fs::path normal = fs::absolute(folder).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

}  // namespace

LedgerRow row_of_run(const LedgerEntry& entry) {
  const bool is_output = fs::exists(entry.folder / format::kManifestName);
  if (!is_output) require_a_run(entry);
  LedgerRow row = is_output ? row_of_output(entry.folder) : row_of_work(entry);
  row.name = entry.name.empty() ? folder_name(entry.folder) : entry.name;
  return row;
}

}  // namespace tessera::jobs
