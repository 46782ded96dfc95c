#include <string>

#include "core/atomic_file.hpp"
#include "core/log.hpp"
#include "jobs/inspect.hpp"
#include "jobs/plan.hpp"
#include "jobs/run_report.hpp"
#include "jobs/work_folder.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

JsonValue layer_rows(const RunReport& report) {
  JsonValue rows = JsonValue::list();
  for (const LayerReport& layer : report.layers) {
    rows.append(JsonValue::object()
                    .set("block", layer.block)
                    .set("module", layer.module)
                    .set("bits", layer.bits)
                    .set("proxy_error", layer.proxy_error)
                    .set("seconds", layer.seconds)
                    .set("degraded", layer.is_degraded));
  }
  return rows;
}

/// Committed files with their sizes; what is gone has null.
JsonValue file_rows(const WorkFolder& work) {
  JsonValue rows = JsonValue::list();
  for (const std::string& file : work.committed_below("")) {
    std::error_code error;
    const auto bytes = fs::file_size(work.path(file), error);
    if (error && is_hidden_file(file)) continue;  // dropped when the next block was done
    rows.append(JsonValue::object()
                    .set("file", file)
                    .set("bytes", error ? JsonValue() : JsonValue(bytes))
                    .set("sha256", *work.digests_of(file).begin()));
  }
  return rows;
}

}  // namespace

JsonValue inspect_work_folder(const fs::path& folder) {
  SilentLog log;
  const WorkFolder work(folder, log);
  JsonValue document = JsonValue::object();
  document.set("kind", "work folder").set("progress", work.how_far());

  const fs::path report_file = folder / "report.json";
  if (fs::exists(report_file)) {
    const std::string origin = report_file.string();
    const RunReport report =
        report_from_json(JsonValue::parse(read_text_file(report_file), origin), origin);
    document.set("model", report.model).set("output", report.model_dir());
    document.set("bits_per_weight", report.bits_per_weight);
    document.set("layers", layer_rows(report));
  }
  return document.set("files", file_rows(work));
}

}  // namespace tessera::jobs
