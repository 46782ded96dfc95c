#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calibration/calibration_shards.hpp"
#include "calibration/tokens.hpp"
#include "jobs/fingerprint.hpp"
#include "jobs/memory_plan.hpp"
#include "jobs/plan.hpp"
#include "jobs/settings/job_settings.hpp"
#include "model/model_config.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::jobs {

/// A job whose words have become things: opened, checked, planned. The stages read it and change
/// nothing in it.
struct PreparedRun {
  QuantizeJob job;
  model::ModelConfig config;
  std::unique_ptr<model::SafetensorsFolder> weights;
  std::vector<LayerUnit> units;
  MemoryPlan memory;
  calibration::StatisticsExtras extras;  ///< what calibration keeps beside its sums

  calibration::TokenStream calibration_tokens;
  std::optional<calibration::TokenStream> evaluation_tokens;

  std::map<std::string, std::string>
      input_digests;  ///< "config.json" and every weight file: SHA-256
  Fingerprint fingerprint;

  std::size_t num_samples() const { return static_cast<std::size_t>(job.calibration.num_samples); }
  std::size_t sample_length() const {
    return static_cast<std::size_t>(job.calibration.max_seq_length);
  }
  std::vector<Tile> calibration_shards() const {
    return calibration::cut_into_shards(num_samples(),
                                        static_cast<std::size_t>(job.calibration.num_shards));
  }
};

}  // namespace tessera::jobs
