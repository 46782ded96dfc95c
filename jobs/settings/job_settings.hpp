#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/describe.hpp"
#include "core/dtype.hpp"
#include "jobs/settings/budget_settings.hpp"
#include "residual/residual_settings.hpp"
#include "schedulers/launch/slurm_settings.hpp"
#include "solver/aweq/aweq_settings.hpp"
#include "solver/vptq/vptq_settings.hpp"

// What a user asks for: one YAML file, one struct. Every key of the file is a member here under the
// same name; what stands here is the default. Read with config/reader.hpp. Relative paths are
// relative to the folder the program is started in; an empty path means "not given".
namespace tessera::jobs {

using Path = std::filesystem::path;

/// The model to quantize.
struct ModelSettings {
  Path path;  ///< a Hugging Face folder
  bool operator==(const ModelSettings&) const = default;
};

/// What a calibration must not exceed before anything is solved from it. Shares, of the channels of
/// an input or of the samples.
struct AuditSettings {
  double max_dead_channels = 1;      ///< zero for every token
  double max_constant_channels = 1;  ///< one value, not zero, for every token
  double min_rank = 0;  ///< of the Hessian's numerical rank in its size; 0: not looked for
  double max_repeated_samples = 0.5;
  int min_expert_tokens = 0;  ///< routed to each expert of a mixture
  bool operator==(const AuditSettings&) const = default;
};

/// The text that decides which directions of a layer's input matter. Either `text` or `tokens` is
/// given.
struct CalibrationSettings {
  std::vector<Path> text;  ///< plain text or .jsonl, tokenized as one stream in this order
  Path tokens;             ///< a ready token file (HDF5) instead
  int num_samples = 128;
  int max_seq_length = 2048;     ///< tokens a sample
  int num_shards = 8;            ///< fixes the order of summation
  std::vector<int> only_shards;  ///< calibrate these and stop, for `tessera merge`; empty: all
  AuditSettings audit;
  bool operator==(const CalibrationSettings&) const = default;
};

enum class Method { vptq, aweq, gptq, rtn };

/// The settings of GPTQ or of rounding to the nearest alone, without equalization.
inline solver::IntegerSettings plain_integers(solver::Rounding rounding) {
  solver::IntegerSettings settings;
  settings.rounding = rounding;
  return settings;
}

/// Settings of the layers whose name `match` matches, instead of the section's own.
struct LayerOverride {
  std::string match;
  solver::VptqSettings vptq = {};
  solver::AweqSettings aweq = {};
  bool operator==(const LayerOverride&) const = default;
};

/// What becomes of a layer that fails at every dampening: it is solved without its Hessian, left as
/// the original has it, or ends the run.
enum class Fallback { plain, keep, fail };

/// What is done about a layer whose solve fails, rung by rung.
struct LadderSettings {
  std::vector<double> dampening = {0.2,
                                   1};  ///< as dampening_frac; those above it are tried in turn
  Fallback fallback = Fallback::plain;  ///< the last rung
  int min_tokens =
      1;  ///< of a layer that saw fewer the Hessian tells nothing: straight to the last
  bool operator==(const LadderSettings&) const = default;
};

struct QuantizeSettings {
  Method method = Method::vptq;
  std::vector<std::string> targets = {".*_proj", "fc1", "fc2",
                                      "w[123]"};  ///< patterns; see layer_choice.hpp
  std::vector<std::string> ignore = {"lm_head"};
  double dampening_frac = 0.05;  ///< share of the Hessian's typical diagonal added to its diagonal
  std::uint64_t seed = 0;
  bool equalize = false;  ///< balance inputs and weights before vptq; the method aweq always does
  LadderSettings ladder;
  solver::VptqSettings vptq;
  solver::AweqSettings aweq;
  solver::IntegerSettings gptq = plain_integers(solver::Rounding::gptq);
  solver::IntegerSettings rtn = plain_integers(solver::Rounding::rtn);
  std::vector<LayerOverride> overrides;  ///< first match wins
  BudgetSettings budget;                 ///< for the layers that no override matches
  bool operator==(const QuantizeSettings&) const = default;
};

/// How the result is scored. Neither `text` nor `tokens`: not at all.
struct EvaluationSettings {
  Path text;
  Path tokens;  ///< a ready token file (HDF5) instead
  int context_length = 2048;
  int windows = 0;            ///< 0: as many whole windows as the text has
  std::vector<int> k_chunks;  ///< at which the model is scored with its residuals, too
  std::optional<double> max_perplexity_ratio;  ///< the gate: quantized over original, at most
  std::optional<double> max_divergence;        ///< the gate: from the original, in nats, at most
  bool operator==(const EvaluationSettings&) const = default;

  bool is_wanted() const { return !text.empty() || !tokens.empty(); }
};

enum class OutputFormat { vptq, compressed_tensors, gptq };

/// The folder that a user takes away.
struct OutputSettings {
  Path dir;
  OutputFormat format = OutputFormat::vptq;
  StoredType dtype = StoredType::float16;
  std::uint64_t max_shard_size = 5'000'000'000;  ///< bytes
  bool store_tied_head = false;  ///< lm_head.weight even when tied: vptq's own loader wants it
  bool operator==(const OutputSettings&) const = default;
};

enum class Backend { automatic, cpu };

/// Where and with what; nothing here but the backend can change a byte of the result.
struct RuntimeSettings {
  Path work_dir;
  Backend backend = Backend::automatic;
  int threads = 0;                  ///< 0: the cores this process may use
  std::uint64_t host_memory = 0;    ///< bytes at most, each process; 0: no bound
  std::uint64_t scratch = 0;        ///< bytes at most in work_dir; 0: no bound
  int walltime_seconds = 0;         ///< when the run must have ended; 0: not known
  double hung_after_seconds = 120;  ///< a rank that gives no sign of life for so long is given up
  bool operator==(const RuntimeSettings&) const = default;
};

struct QuantizeJob {
  ModelSettings model;
  CalibrationSettings calibration;
  QuantizeSettings quantize;
  residual::ResidualSettings residual;
  EvaluationSettings evaluation;
  OutputSettings output;
  RuntimeSettings runtime;
  schedulers::SlurmSettings slurm;
  bool operator==(const QuantizeJob&) const = default;
};

}  // namespace tessera::jobs
