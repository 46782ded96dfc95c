#include "jobs/settings/job_file.hpp"

#include "config/reader.hpp"
#include "config/reference_page.hpp"
#include "config/yaml_writer.hpp"
#include "jobs/settings/describe_job.hpp"

namespace tessera::jobs {
namespace {

constexpr std::string_view kIntroduction = R"(# Job reference

<!-- Made by the target update_job_reference: edit the describe functions instead. -->

A job is one YAML file; `tessera run JOB.yaml` runs it. `configs/jobs/` has examples.

- Only `model.path`, `output.dir`, `runtime.work_dir` and a text to calibrate on must be given.
- Relative paths are relative to the folder the program is started in, not to the job file.
- Sizes are bytes, or have a unit: `5GB` is 5 000 000 000, `20GiB` is 20 · 1024³.
- A list may be written as one value when it has one.
- `--set section.key=value` overrides a key; the value is YAML, and a list replaces the whole list.
- Everything that is wrong with a job is reported at once, with its line, before anything is read or
  written. Keys that people know from other tools are read under the names below, and noted.
- A pattern is a regular expression (ECMAScript). It matches a layer when it matches the whole of its
  module path or of a tail that begins after a dot: `down_proj`, `mlp\.down_proj`, `layers\.0\..*`
  and `.*_proj` all match `model.layers.0.mlp.down_proj`; `proj` and `layers\.0` do not.
- A layer is quantized when a pattern of `quantize.targets` matches it and none of `quantize.ignore`
  does. The first item of `quantize.overrides` that matches it gives its settings; what an item
  leaves out is as in `quantize.vptq`.
)";

}  // namespace

JobFile read_job(const std::filesystem::path& file, std::span<const std::string> set_options) {
  auto reading = config::read_file<QuantizeJob>(file, set_options);
  return {std::move(reading.value), std::move(reading.notes)};
}

QuantizeJob job_from_text(const std::string& yaml, const std::string& origin) {
  return config::read_text<QuantizeJob>(yaml, origin);
}

std::string job_text(const QuantizeJob& job) {
  return config::write_text(job);
}

std::vector<config::Setting> settings_of(const QuantizeJob& job) {
  return config::settings_list(job);
}

std::string job_reference() {
  return config::reference_page(kIntroduction, config::schema_of<QuantizeJob>());
}

}  // namespace tessera::jobs
