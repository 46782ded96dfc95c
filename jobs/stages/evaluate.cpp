#include "jobs/stages/evaluate.hpp"

#include <cstring>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "cluster/agreement.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "format/open_weights.hpp"
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

evaluation::Perplexity score(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                             const evaluation::ScoredModel& scored, const std::string& file) {
  evaluation::Perplexity result;
  if (work.is_committed(file)) {
    work.load(file, "score", result);
    return result;
  }
  const auto& settings = prepared.job.evaluation;
  const auto length = static_cast<std::size_t>(settings.context_length);
  const auto& tokens = prepared.evaluation_tokens->tokens;
  const evaluation::PerplexitySettings wanted{length, static_cast<std::size_t>(settings.windows)};
  const std::size_t num_windows = evaluation::count_windows(tokens.size(), wanted);
  const auto windows =
      evaluation::windows_of_rank(num_windows, length, run.comm.rank(), run.comm.size());
  const auto mine =
      evaluation::window_losses(run.threads, run.log, scored, tokens, wanted, windows,
                                prepared.memory.max_hidden_bytes);
  result = evaluation::perplexity_of(losses_of_all_ranks(run, num_windows, length, mine), wanted);
  cluster::on_first_rank(run.comm, [&] { work.commit(file, "score", result); });
  return result;
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
std::string score_file(const AssembledModel& assembled) {
  Digest digest;
  for (const auto& [file, of_file] : assembled.weight_digests)
    digest.add_text(file).add_text(of_file);
  return fmt::format("evaluation/quantized-{}.h5", digest.hex().substr(0, 16));
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
  scores.original =
      score(run, prepared, work, {prepared.config, *prepared.weights, "original"}, "evaluation/original.h5");
  scores.quantized = score(run, prepared, work, {packed_config, *packed, "quantized"}, score_file(assembled));
  run.log.info("perplexity of the original " + scores.original->to_text());
  run.log.info("perplexity of the packed   " + scores.quantized->to_text());
  return scores;
}

}  // namespace tessera::jobs
