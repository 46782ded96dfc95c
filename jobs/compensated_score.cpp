#include "jobs/compensated_score.hpp"

#include <chrono>

#include <fmt/format.h>

#include "core/error.hpp"
#include "format/residual_file.hpp"
#include "residual/knee.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::jobs {
namespace {

using evaluation::CompensationSettings;

/// What each run through the windows compensates.
std::vector<CompensationSettings> settings_of(const ResidualRequest& request,
                                              const format::ResidualInfo& info) {
  CompensationSettings one;
  one.rule = request.rule;
  std::vector<CompensationSettings> all;
  for (const std::uint64_t k_chunk : request.k_chunks) {
    require_input(k_chunk <= residual::kChunk,
                  fmt::format("--k-chunk is {} (it counts channels of each {}). Give 0 to {}.",
                              k_chunk, residual::kChunk, residual::kChunk));
    one.k_chunk = k_chunk;
    all.push_back(one);
  }
  if (!all.empty()) return all;
  require_input(info.k_chunk > 0 || !info.k_chunk_of.empty(),
                fmt::format("{}: --k-chunk is missing (the file was made for no k_chunk of its own). "
                            "Name one, or several: --k-chunk 8,16,32.",
                            request.file.string()));
  one.k_chunk = info.k_chunk;
  one.k_chunk_of = info.k_chunk_of;
  return {one};
}

}  // namespace

std::vector<CompensatedScore> score_compensated(RunContext& run, const std::filesystem::path& base,
                                                const evaluation::ScoredModel& model,
                                                const ResidualRequest& request,
                                                std::span<const std::uint32_t> tokens,
                                                evaluation::PerplexitySettings settings) {
  const format::ResidualFile residuals(request.file);
  residuals.require_base(base, model.config);
  std::size_t first_position = 0;
  if (request.protocol == Protocol::prefill_plain) {
    first_position = request.prompt_tokens > 0 ? request.prompt_tokens : settings.context_length / 2;
    settings.first_token = first_position + 1;  // the prompt's last token predicts it
  }
  std::vector<CompensatedScore> scores;
  for (CompensationSettings& wanted : settings_of(request, residuals.info())) {
    wanted.first_position = first_position;
    const evaluation::Compensator compensator(residuals, wanted);
    evaluation::ScoredModel compensated = model;
    compensated.compensator = &compensator;
    compensated.label += fmt::format(", k_chunk {}", wanted.k_chunk);
    CompensatedScore scored;
    if (wanted.k_chunk_of.empty()) scored.k_chunk = wanted.k_chunk;
    const auto start = std::chrono::steady_clock::now();
    scored.score = evaluation::perplexity(run.threads, run.log, compensated, tokens, settings);
    scored.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    scored.recall = compensator.count().recall();
    scored.bytes_per_token = compensator.bytes_per_token(model.config);
    scores.push_back(scored);
  }
  return scores;
}

void add_compensation(JsonValue& document, const ResidualRequest& request,
                      const std::vector<CompensatedScore>& scores, double base_bits) {
  JsonValue points = JsonValue::list();
  for (const CompensatedScore& scored : scores) {
    JsonValue point = JsonValue::object();
    if (scored.k_chunk) {
      point.set("k_chunk", *scored.k_chunk);
    } else {
      point.set("k_chunk", "by layer");
    }
    points.append(std::move(point.set("perplexity", scored.score.perplexity)
                                .set("recall", scored.recall)
                                .set("bytes_per_token", scored.bytes_per_token)
                                .set("seconds", scored.seconds)));
  }
  document.set("residual", request.file.string())
      .set("protocol", std::string(name_of_value(request.protocol)))
      .set("selection", std::string(name_of_value(request.rule)))
      .set("points", std::move(points));
  if (base_bits <= 0) return;
  JsonValue knees = JsonValue::object();
  for (const residual::GpuProfile& gpu : residual::known_gpus()) {
    knees.set(std::string(gpu.name), residual::predicted_knee(gpu, base_bits));
  }
  document.set("predicted_knee_k_chunk", std::move(knees));
}

}  // namespace tessera::jobs
