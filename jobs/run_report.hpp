#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/ladder.hpp"
#include "residual/compensation_error.hpp"

// What a run has to say for itself: returned by run_quantize_job, stored in the work folder as
// report.json, quant_log.csv and report.html, and shown by the program.
namespace tessera::jobs {

/// What a budget for all layers chose for one.
struct RecipeReport {
  std::string recipe;   ///< "v=4 K=512"; empty: the job sets no budget
  double loss = 0;      ///< predicted, in what the job makes least (quantize.budget.measure)
  double own_loss = 0;  ///< the same with the settings of the method, as without a budget
};

/// One quantized layer.
struct LayerReport {
  std::size_t block = 0;
  std::string module;  ///< "mlp.down_proj"
  std::size_t in_features = 0;
  std::size_t out_features = 0;
  double bits = 0;  ///< stored bits a weight; indices, codebooks, norms and permutation counted
  double proxy_error = 0;    ///< of the stored, dequantized weights under the undampened Hessian
  double seconds = 0;        ///< what its solve took
  double damp_fraction = 0;  ///< as used; above the job's where the Hessian needed more
  std::size_t num_dead_columns = 0;  ///< input channels no token ever reached
  std::vector<std::string> remarks;  ///< what was degenerate and how it was handled, in sentences
  bool is_degraded = false;          ///< a declared fallback was needed
  double bias_gain = 0;              ///< share of the output error that a corrected bias removes
  /// What compensation leaves of the layer's output error on kept tokens; empty without residuals.
  std::vector<residual::CompensationPoint> compensation = {};
  std::vector<Rung> ladder = {};  ///< where it failed at first: every try, the last of which held
  bool is_kept = false;           ///< not quantized: as the original has it
  RecipeReport allocated = {};
};

/// The packed model with its residuals, as scored.
struct CompensatedReport {
  std::uint64_t k_chunk = 0;
  bool is_by_layer = false;  ///< k_chunk as the budget shares it out, not one for all
  double perplexity = 0;     ///< every position compensated
  double recall = 0;         ///< of the largest |x_j|, over all layers' kept tokens
  std::uint64_t bytes_per_token = 0;
};

template <class Archive>
void archive(Archive& a, CompensatedReport& c) {
  a("k_chunk", c.k_chunk);
  a("is_by_layer", c.is_by_layer);
  a("perplexity", c.perplexity);
  a("recall", c.recall);
  a("bytes_per_token", c.bytes_per_token);
}

/// A stage of the story and its wall time, over all attempts of the run.
struct StageReport {
  std::string name;  ///< "prepare", "calibrate", "solve", "assemble", "evaluate"
  double seconds = 0;
};

/// The machine of the last attempt.
struct MachineReport {
  std::string processor;        ///< "AMD EPYC 7543 32-Core Processor"
  std::size_t num_cores = 0;    ///< this process may use
  std::size_t num_threads = 0;  ///< of one rank
  std::size_t num_ranks = 1;
  std::uint64_t memory_bytes = 0;
};

template <class Archive>
void archive(Archive& a, MachineReport& m) {
  a("processor", m.processor);
  a("cores", m.num_cores);
  a("threads", m.num_threads);
  a("ranks", m.num_ranks);
  a("memory_bytes", m.memory_bytes);
}

struct RunReport {
  std::string model;       ///< the job's model.path
  std::string output_dir;  ///< the job's output.dir
  std::string work_dir;    ///< the job's runtime.work_dir
  std::string job_text;    ///< the job as understood, YAML
  std::string fingerprint;
  std::string version;   ///< of this program
  std::string commit;    ///< it was built from; empty where nobody knows
  std::string packages;  ///< what loads the output in Python, for pip
  MachineReport machine;

  std::vector<LayerReport> layers;  ///< by block, then q, k, v, o, gate, up, down
  std::vector<StageReport> stages;  ///< in the order of the story
  std::size_t num_samples = 0;      ///< calibrated on
  std::size_t sample_length = 0;    ///< tokens a sample

  double bits_per_weight = 0;                      ///< over all quantized layers
  double mean_proxy_error = 0;                     ///< plain mean over the quantized layers
  std::uint64_t bytes_before = 0;                  ///< of the original's weight files
  std::uint64_t bytes_after = 0;                   ///< of the packed model's weight files
  std::optional<evaluation::Perplexity> original;  ///< nothing when the job names no text to score
  std::optional<evaluation::Perplexity> quantized;
  std::uint64_t residual_bytes = 0;            ///< of the residual files; 0: none were made
  std::vector<CompensatedReport> compensated;  ///< by rising k_chunk
  std::optional<double> max_perplexity_ratio;  ///< the gate, where the job sets one
  std::optional<double> divergence;      ///< mean, of the packed model from the original, in nats
  std::optional<double> max_divergence;  ///< the gate, where the job sets one
  std::uint64_t peak_memory_bytes = 0;   ///< largest resident set of any attempt

  std::vector<std::string> gate_problems;  ///< why the output was not published; empty: it was
  bool was_finished_before = false;        ///< nothing was left to do: these are the stored results

  bool is_published() const { return gate_problems.empty(); }
  bool is_degraded() const;      ///< some layer needed a declared fallback
  double total_seconds() const;  ///< over the stages
  /// Where the packed model is: output_dir, or output_dir + ".partial" when the gate refused it.
  std::string model_dir() const;
};

/// 0 done, 3 done but degraded, 4 not published because the gate refused.
int exit_code(const RunReport& report);

/// The document of `tessera run --json` and report.json: "bits_per_weight", "perplexity":
/// {"original", "quantized", ...}, "seconds": {stage: s}, "peak_memory_bytes", "layers": [...], ...
JsonValue to_json(const RunReport& report);
/// Inverse; throws InputError naming @p origin where something is missing.
RunReport report_from_json(const JsonValue& document, const std::string& origin);

/// quant_log.csv: block,module,in_features,out_features,bits,proxy_error,seconds, then
/// damp_fraction, dead_columns,degraded,remarks,ladder,recipe,predicted_loss,predicted_own_loss.
std::string quant_log_csv(const std::vector<LayerReport>& layers);

}  // namespace tessera::jobs
