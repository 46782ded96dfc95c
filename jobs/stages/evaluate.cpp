#include "jobs/stages/evaluate.hpp"

#include <fmt/core.h>

#include "core/digest.hpp"
#include "format/vptq_format.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/stages/read_back.hpp"

namespace tessera::jobs {
namespace {

evaluation::Perplexity score(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                             const model::TensorSource& weights, const std::string& file,
                             const std::string& label) {
  evaluation::Perplexity result;
  if (work.is_committed(file)) {
    work.load(file, "score", result);
    return result;
  }
  const auto& settings = prepared.job.evaluation;
  result = evaluation::perplexity(run.threads, run.log, prepared.config, weights,
                                  prepared.evaluation_tokens->tokens,
                                  {static_cast<std::size_t>(settings.context_length),
                                   static_cast<std::size_t>(settings.windows)},
                                  label);
  work.commit(file, "score", result);
  return result;
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
  const format::VptqFolder packed(partial_folder(prepared.job.output.dir));
  Scores scores;
  scores.damage = find_damage(prepared, packed, work);
  if (!scores.damage.empty() || !prepared.evaluation_tokens) return scores;
  scores.original =
      score(run, prepared, work, *prepared.weights, "evaluation/original.h5", "original");
  scores.quantized = score(run, prepared, work, packed, score_file(assembled), "quantized");
  run.log.info("perplexity of the original " + scores.original->to_text());
  run.log.info("perplexity of the packed   " + scores.quantized->to_text());
  return scores;
}

}  // namespace tessera::jobs
