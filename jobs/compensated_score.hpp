#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "evaluation/perplexity.hpp"
#include "format/residual_file.hpp"
#include "jobs/run_context.hpp"
#include "model/model_config.hpp"
#include "residual/channel_selection.hpp"

namespace tessera::jobs {

/// Which tokens of a window are compensated.
enum class Protocol {
  every_position,  ///< all, as DecDEC's own perplexity is measured
  prefill_plain    ///< those behind a prompt, whose keys and values stay uncompensated, as deployed
};

/// A packed model with its residuals.
struct ResidualRequest {
  std::filesystem::path file;           ///< or the folder it stands in
  std::vector<std::uint64_t> k_chunks;  ///< each is scored; empty: what the file was made for
  residual::SelectionRule rule = residual::SelectionRule::exact;
  Protocol protocol = Protocol::every_position;
  std::size_t prompt_tokens = 0;  ///< with prefill_plain; 0: half a window
};

struct CompensatedScore {
  std::optional<std::uint64_t> k_chunk;  ///< none: the file's own budget, layer by layer
  evaluation::Perplexity score;
  double recall = 1;                  ///< of the largest |x_j| among the chosen channels
  std::uint64_t bytes_per_token = 0;  ///< fetched
  double seconds = 0;
};

/// What @p residuals compensate at @p k_chunk; without one, at what the file was made for. Throws
/// InputError where k_chunk is above 1024, or neither says how much.
evaluation::CompensationSettings compensation_at(std::optional<std::uint64_t> k_chunk,
                                                 residual::SelectionRule rule,
                                                 const format::ResidualFile& residuals);

/// Tokens of a window that are not compensated: its prompt.
std::size_t prompt_of(const ResidualRequest& request, std::size_t context_length);

/// Scores @p model under each k_chunk. Throws InputError when the residuals were made for another
/// model, are damaged, a k_chunk is above 1024, or the prompt leaves nothing to score.
std::vector<CompensatedScore> score_compensated(RunContext& run, const std::filesystem::path& base,
                                                const evaluation::ScoredModel& model,
                                                const ResidualRequest& request,
                                                std::span<const std::uint32_t> tokens,
                                                evaluation::PerplexitySettings settings);

/// "points", "protocol", "rule" and what GPUs are predicted to hide, for `tessera eval --json`.
void add_compensation(JsonValue& document, const ResidualRequest& request,
                      const std::vector<CompensatedScore>& scores, double base_bits);

}  // namespace tessera::jobs

namespace tessera {
template <>
struct EnumNames<jobs::Protocol> {
  static constexpr std::pair<jobs::Protocol, std::string_view> kNames[] = {
      {jobs::Protocol::every_position, "every-position"},
      {jobs::Protocol::prefill_plain, "prefill-plain"}};
};
}  // namespace tessera
