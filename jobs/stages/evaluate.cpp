#include "jobs/stages/evaluate.hpp"

#include <cstring>
#include <set>
#include <sstream>
#include <type_traits>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "format/open_weights.hpp"
#include "format/residual_file.hpp"
#include "jobs/output_folder.hpp"

namespace tessera::jobs {
namespace {

/// What a rank measured as text that another rank reads back to the same bits.
template <class T>
std::string to_text(std::span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::string text(values.size_bytes(), '\0');
  if (!values.empty()) std::memcpy(text.data(), values.data(), values.size_bytes());
  return text;
}

/// What was measured of every window, by window, on every rank.
template <class T>
std::vector<T> of_all_ranks(RunContext& run, std::size_t num_windows, std::size_t context_length,
                            const std::vector<T>& mine) {
  const auto all = run.comm.all_gather(to_text(std::span<const T>(mine)));
  std::vector<T> values(num_windows);
  for (std::size_t r = 0; r < all.size(); ++r) {
    const auto windows =
        evaluation::windows_of_rank(num_windows, context_length, r, run.comm.size());
    require(all[r].size() == windows.size() * sizeof(T), "a value for each window of a rank");
    for (std::size_t i = 0; i < windows.size(); ++i) {
      std::memcpy(&values[windows[i]], all[r].data() + i * sizeof(T), sizeof(T));
    }
  }
  return values;
}

/// The windows that the job wants scored, and this rank's.
struct Windows {
  Windows(const RunContext& run, const PreparedRun& prepared)
      : tokens(prepared.evaluation_tokens->tokens),
        settings{static_cast<std::size_t>(prepared.job.evaluation.context_length),
                 static_cast<std::size_t>(prepared.job.evaluation.windows)},
        count(evaluation::count_windows(tokens.size(), settings)),
        mine(evaluation::windows_of_rank(count, settings.context_length, run.comm.rank(),
                                         run.comm.size())) {}
  const std::vector<std::uint32_t>& tokens;
  evaluation::PerplexitySettings settings;
  std::size_t count;
  std::vector<std::size_t> mine;
};

/// Of all ranks together.
evaluation::Perplexity measure(RunContext& run, const PreparedRun& prepared,
                               const evaluation::ScoredModel& scored) {
  const Windows windows(run, prepared);
  const auto mine =
      evaluation::window_losses(run.threads, run.log, scored, windows.tokens, windows.settings,
                                windows.mine, prepared.memory.max_hidden_bytes);
  return evaluation::perplexity_of(
      of_all_ranks(run, windows.count, windows.settings.context_length, mine), windows.settings);
}

/// Both models on the same windows; of all ranks together.
evaluation::Scores measure_both(RunContext& run, const PreparedRun& prepared,
                                const evaluation::ScoredModel& original,
                                const evaluation::ScoredModel& quantized) {
  const Windows windows(run, prepared);
  const auto mine =
      evaluation::window_scores(run.threads, run.log, original, quantized, windows.tokens,
                                windows.settings, windows.mine, prepared.memory.max_hidden_bytes);
  return evaluation::scores_of(
      of_all_ranks(run, windows.count, windows.settings.context_length, mine), windows.settings);
}

/// What @p file holds, or what @p compute gives, committed.
template <class Result, class Compute>
Result once(RunContext& run, WorkFolder& work, const std::string& file, Compute&& compute) {
  Result result;
  if (work.is_committed(file)) {
    work.load(file, "score", result);
    return result;
  }
  result = compute();
  cluster::on_first_rank(run.comm, [&] { work.commit(file, "score", result); });
  return result;
}

/// Scores belong to the very bytes that were scored.
std::string digest_of_files(const std::map<std::string, std::string>& digests) {
  Digest digest;
  for (const auto& [file, of_file] : digests) digest.add_text(file).add_text(of_file);
  return digest.hex().substr(0, 16);
}

/// How the model is compensated when it is scored: by rising k_chunk, then as the budget says.
/// Where there is a budget, one k_chunk of no more bytes stands beside it.
std::vector<evaluation::CompensationSettings> compensations_of(const QuantizeJob& job,
                                                               const AssembledModel& assembled) {
  std::set<std::uint64_t> values(job.evaluation.k_chunks.begin(), job.evaluation.k_chunks.end());
  if (values.empty() && job.residual.k_chunk > 0) {
    values.insert(static_cast<std::uint64_t>(job.residual.k_chunk));
  }
  if (assembled.residual_budget) values.insert(assembled.residual_budget->uniform_k_chunk);
  std::vector<evaluation::CompensationSettings> all;
  for (const std::uint64_t k_chunk : values) all.emplace_back().k_chunk = k_chunk;
  if (assembled.residual_budget) {
    all.emplace_back().k_chunk_of = assembled.residual_budget->k_chunk_of;
  }
  return all;
}

/// The channels that all ranks counted.
double recall_of_all_ranks(RunContext& run, const evaluation::SelectionCount& mine) {
  double chosen = 0, largest = 0;
  for (const std::string& of_rank :
       run.comm.all_gather(fmt::format("{} {}", mine.num_chosen.load(), mine.num_largest.load()))) {
    std::istringstream words(of_rank);
    std::uint64_t rank_chosen = 0, rank_largest = 0;
    words >> rank_chosen >> rank_largest;
    chosen += static_cast<double>(rank_chosen);
    largest += static_cast<double>(rank_largest);
  }
  return largest > 0 ? chosen / largest : 1.0;
}

std::vector<CompensatedReport> score_compensated(RunContext& run, const PreparedRun& prepared,
                                                 const AssembledModel& assembled, WorkFolder& work,
                                                 const evaluation::ScoredModel& packed,
                                                 const format::ResidualFile& residuals) {
  std::vector<CompensatedReport> scores;
  for (const evaluation::CompensationSettings& wanted : compensations_of(prepared.job, assembled)) {
    const evaluation::Compensator compensator(residuals, wanted);
    const bool is_by_layer = !wanted.k_chunk_of.empty();
    const std::string name = is_by_layer ? "by-layer" : std::to_string(wanted.k_chunk);
    evaluation::ScoredModel compensated = packed;
    compensated.compensator = &compensator;
    compensated.label = "quantized, k_chunk " + name;
    const auto file =
        fmt::format("evaluation/compensated-{}-{}-{}.h5", digest_of_files(assembled.weight_digests),
                    digest_of_files(assembled.residual_digests), name);
    const auto scored = once<CompensatedReport>(run, work, file, [&] {
      const double perplexity = measure(run, prepared, compensated).perplexity;
      return CompensatedReport{wanted.k_chunk, is_by_layer, perplexity,
                               recall_of_all_ranks(run, compensator.count()),
                               compensator.bytes_per_token(packed.config)};
    });
    scores.push_back(scored);
    run.log.info(fmt::format("perplexity of the packed at k_chunk {}: {:.3f} ({} fetched a token)",
                             name, scored.perplexity,
                             bytes_text(static_cast<double>(scored.bytes_per_token))));
  }
  return scores;
}

/// The original's score does not depend on how it was packed; a redo keeps it.
QualityScores score_both(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                         const evaluation::ScoredModel& quantized,
                         const std::string& digest_of_packed) {
  const std::string of_original = "evaluation/original.h5";
  const std::string of_quantized = fmt::format("evaluation/quantized-{}.h5", digest_of_packed);
  const std::string of_both = fmt::format("evaluation/divergence-{}.h5", digest_of_packed);
  evaluation::Scores scores;
  if (!work.is_committed(of_original) || !work.is_committed(of_quantized) ||
      !work.is_committed(of_both)) {
    scores =
        measure_both(run, prepared, {prepared.config, *prepared.weights, "original"}, quantized);
  }
  const auto original =
      once<evaluation::Perplexity>(run, work, of_original, [&] { return scores.original; });
  const auto packed =
      once<evaluation::Perplexity>(run, work, of_quantized, [&] { return scores.quantized; });
  const auto divergence =
      once<evaluation::Divergence>(run, work, of_both, [&] { return scores.divergence; });
  return {original, packed, divergence.mean};
}

/// The packed model as it was written, opened.
struct PackedOutput {
  PackedOutput(const Path& folder, bool has_residuals)
      : weights(format::open_weights(folder)), config(model::read_model_config(folder)) {
    if (has_residuals) residuals.emplace(folder);
  }
  std::unique_ptr<model::TensorSource> weights;
  model::ModelConfig config;  // may declare biases
  std::optional<format::ResidualFile> residuals;
};

}  // namespace

Scores evaluate(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                const CheckedOutput& checked, WorkFolder& work) {
  if (!checked.verdict.has_passed() || !prepared.evaluation_tokens) return {};
  // All ranks have opened it before the first one can publish: where every score is there from an
  // earlier attempt nothing else holds it back, and publishing renames the folder.
  const auto packed = cluster::on_all_ranks(run.comm, [&] {
    return std::make_unique<PackedOutput>(partial_folder(prepared.job.output.dir),
                                          prepared.job.residual.is_wanted());
  });
  const evaluation::ScoredModel quantized{packed->config, *packed->weights, "quantized"};
  Scores scores{
      score_both(run, prepared, work, quantized, digest_of_files(assembled.weight_digests)), {}};
  run.log.info("perplexity of the original " + scores.original->to_text());
  run.log.info("perplexity of the packed   " + scores.quantized->to_text());
  run.log.info(fmt::format("divergence of the packed from the original {:.6f} nats in the mean",
                           *scores.divergence));
  if (packed->residuals) {
    scores.compensated =
        score_compensated(run, prepared, assembled, work, quantized, *packed->residuals);
  }
  return scores;
}

}  // namespace tessera::jobs
