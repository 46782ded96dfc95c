#include "jobs/compensated_score.hpp"

#include <algorithm>
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
                                              const format::ResidualFile& residuals) {
  if (request.k_chunks.empty()) return {compensation_at(std::nullopt, request.rule, residuals)};
  std::vector<CompensationSettings> all;
  for (const std::uint64_t k_chunk : request.k_chunks) {
    all.push_back(compensation_at(k_chunk, request.rule, residuals));
  }
  return all;
}

}  // namespace

CompensationSettings compensation_at(std::optional<std::uint64_t> k_chunk,
                                     residual::SelectionRule rule,
                                     const format::ResidualFile& residuals) {
  CompensationSettings settings;
  settings.rule = rule;
  if (k_chunk) {
    require_input(*k_chunk <= residual::kChunk,
                  fmt::format("--k-chunk is {} (it counts channels of each {}). Give 0 to {}.",
                              *k_chunk, residual::kChunk, residual::kChunk));
    settings.k_chunk = *k_chunk;
    return settings;
  }
  const format::ResidualInfo& info = residuals.info();
  require_input(info.k_chunk > 0 || !info.k_chunk_of.empty(),
                "--k-chunk is missing (the residual file was made for no k_chunk of its own). Name "
                "one, such as 32.");
  settings.k_chunk = info.k_chunk;
  settings.k_chunk_of = info.k_chunk_of;
  return settings;
}

std::size_t prompt_of(const ResidualRequest& request, std::size_t context_length) {
  if (request.protocol == Protocol::every_position) return 0;
  return request.prompt_tokens > 0 ? request.prompt_tokens : context_length / 2;
}

std::vector<CompensatedScore> score_compensated(RunContext& run, const std::filesystem::path& base,
                                                const evaluation::ScoredModel& model,
                                                const ResidualRequest& request,
                                                std::span<const std::uint32_t> tokens,
                                                evaluation::PerplexitySettings settings) {
  const format::ResidualFile residuals(request.file);
  residuals.require_base(base, model.config);
  std::size_t first_position = 0;
  if (request.protocol == Protocol::prefill_plain) {
    first_position = prompt_of(request, settings.context_length);
    require_input(first_position + 1 < settings.context_length,
                  fmt::format("--prompt-tokens is {} (a window has {}, and the first token behind "
                              "the prompt is predicted by the prompt). Give {} or less.",
                              first_position, settings.context_length,
                              std::max<std::size_t>(settings.context_length, 2) - 2));
    settings.first_token = first_position + 1;  // the prompt's last token predicts it
  }
  std::vector<CompensatedScore> scores;
  for (CompensationSettings& wanted : settings_of(request, residuals)) {
    wanted.first_position = first_position;
    const evaluation::Compensator compensator(residuals, wanted);
    evaluation::ScoredModel compensated = model;
    compensated.compensator = &compensator;
    compensated.label += fmt::format(", k_chunk {}", wanted.k_chunk);
    CompensatedScore scored;
    if (wanted.k_chunk_of.empty()) scored.k_chunk = wanted.k_chunk;
    const auto start = std::chrono::steady_clock::now();
    scored.score = evaluation::perplexity(run.threads, run.log, compensated, tokens, settings);
    scored.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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
