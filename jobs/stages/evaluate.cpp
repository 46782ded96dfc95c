#include "jobs/stages/evaluate.hpp"

#include <cstring>
#include <set>
#include <sstream>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "cluster/agreement.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "format/open_weights.hpp"
#include "format/residual_file.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/stages/read_back.hpp"

namespace tessera::jobs {
namespace {

/// A rank's losses as text that another rank reads back to the same bits.
std::string to_text(std::span<const double> losses) {
  std::string text(losses.size_bytes(), '\0');
  if (!losses.empty()) std::memcpy(text.data(), losses.data(), losses.size_bytes());
  return text;
}

/// Every window's loss, by window, on every rank.
std::vector<double> losses_of_all_ranks(RunContext& run, std::size_t num_windows,
                                        std::size_t context_length, std::span<const double> mine) {
  const auto all = run.comm.all_gather(to_text(mine));
  std::vector<double> losses(num_windows);
  for (std::size_t r = 0; r < all.size(); ++r) {
    const auto windows =
        evaluation::windows_of_rank(num_windows, context_length, r, run.comm.size());
    require(all[r].size() == windows.size() * sizeof(double), "a loss for each window of a rank");
    for (std::size_t i = 0; i < windows.size(); ++i) {
      std::memcpy(&losses[windows[i]], all[r].data() + i * sizeof(double), sizeof(double));
    }
  }
  return losses;
}

/// Of all ranks together.
evaluation::Perplexity measure(RunContext& run, const PreparedRun& prepared,
                               const evaluation::ScoredModel& scored) {
  const auto& settings = prepared.job.evaluation;
  const auto length = static_cast<std::size_t>(settings.context_length);
  const auto& tokens = prepared.evaluation_tokens->tokens;
  const evaluation::PerplexitySettings wanted{length, static_cast<std::size_t>(settings.windows)};
  const std::size_t num_windows = evaluation::count_windows(tokens.size(), wanted);
  const auto windows =
      evaluation::windows_of_rank(num_windows, length, run.comm.rank(), run.comm.size());
  const auto mine = evaluation::window_losses(run.threads, run.log, scored, tokens, wanted, windows,
                                              prepared.memory.max_hidden_bytes);
  return evaluation::perplexity_of(losses_of_all_ranks(run, num_windows, length, mine), wanted);
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

evaluation::Perplexity score(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                             const evaluation::ScoredModel& scored, const std::string& file) {
  return once<evaluation::Perplexity>(run, work, file,
                                      [&] { return measure(run, prepared, scored); });
}

/// Each rank reads its share of the layers back.
std::vector<std::string> damage_on_any_rank(RunContext& run, const PreparedRun& prepared,
                                            const model::TensorSource& packed,
                                            const WorkFolder& work) {
  const auto found = cluster::on_all_ranks(run.comm, [&] {
    return find_damage(prepared, packed, work, run.comm.rank(), run.comm.size());
  });
  std::vector<std::string> damage;
  for (const std::string& of_rank :
       run.comm.all_gather(fmt::format("{}", fmt::join(found, "\n")))) {
    if (!of_rank.empty()) damage.push_back(of_rank);
  }
  return damage;
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
                                                 const Path& folder) {
  std::vector<CompensatedReport> scores;
  if (!prepared.job.residual.is_wanted()) return scores;
  const format::ResidualFile residuals(folder);
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

}  // namespace

Scores evaluate(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                WorkFolder& work) {
  const Path folder = partial_folder(prepared.job.output.dir);
  const auto packed = format::open_weights(folder);
  const model::ModelConfig packed_config = model::read_model_config(folder);  // may declare biases
  Scores scores;
  scores.damage = damage_on_any_rank(run, prepared, *packed, work);
  if (!scores.damage.empty() || !prepared.evaluation_tokens) return scores;
  scores.original = score(run, prepared, work, {prepared.config, *prepared.weights, "original"},
                          "evaluation/original.h5");
  const evaluation::ScoredModel quantized{packed_config, *packed, "quantized"};
  scores.quantized =
      score(run, prepared, work, quantized,
            fmt::format("evaluation/quantized-{}.h5", digest_of_files(assembled.weight_digests)));
  run.log.info("perplexity of the original " + scores.original->to_text());
  run.log.info("perplexity of the packed   " + scores.quantized->to_text());
  scores.compensated = score_compensated(run, prepared, assembled, work, quantized, folder);
  return scores;
}

}  // namespace tessera::jobs
