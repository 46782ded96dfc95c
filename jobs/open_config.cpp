#include "jobs/open_config.hpp"

#include <set>
#include <string>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/vptq_layer_config.hpp"
#include "format/vptq_sizes.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/planned_sizes.hpp"
#include "jobs/recipes.hpp"
#include "jobs/stages/residual_files.hpp"

namespace tessera::jobs {

PreparedRun open_config(const QuantizeJob& job) {
  PreparedRun prepared;
  prepared.job = job;
  prepared.config = model::read_model_config(job.model.path);
  const std::string origin = (job.model.path / "config.json").string();
  const std::string method =
      format::quant_method_of(JsonValue::parse(prepared.config.json, origin), origin);
  require_input(
      method.empty(),
      fmt::format("{}: the model is quantized already (quant_method is {}). Name the original.",
                  origin, method));
  model::require_positions(prepared.config, prepared.sample_length(), "calibration.max_seq_length");
  if (job.evaluation.is_wanted()) {
    model::require_positions(prepared.config,
                             static_cast<std::size_t>(job.evaluation.context_length),
                             "evaluation.context_length");
  }
  prepared.units = plan_units(prepared.config, job.quantize);
  prepared.extras = extras_of(job);
  return prepared;
}

void check_format(Log& log, const PreparedRun& prepared) {
  std::set<std::string> warned;
  PackedSizes sizes_of_all;
  for (const LayerUnit& unit : prepared.units) {
    const auto planned = planned_sizes(unit, scale_type(prepared.job.output));
    for (const std::string& problem : format_problems(prepared.job.output.format, planned)) {
      throw InputError(fmt::format("{}: {}", unit.layer.name, problem));
    }
    sizes_of_all.add(unit.layer, planned);
    const auto* sizes = std::get_if<solver::VptqLayer>(&planned);
    if (sizes == nullptr) continue;
    for (const std::string& problem : format::gpu_problems(*sizes)) {
      if (!warned.insert(problem).second) continue;
      log.warning(fmt::format("{}: {} The model loads on a CPU only.", unit.layer.name, problem));
    }
  }
  require_one_scheme(prepared.job.output.format, sizes_of_all);
  require_residual_sizes(prepared);
  require_possible_budget(prepared.job, prepared.units);
}

}  // namespace tessera::jobs
