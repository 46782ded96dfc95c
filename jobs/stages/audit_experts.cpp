#include "jobs/stages/audit_experts.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "jobs/block_sums.hpp"

namespace tessera::jobs {
namespace {

/// Gate and up, or down where only that is quantized, tell the same number.
ExpertTokens tokens_of_block(const PreparedRun& prepared, const WorkFolder& work,
                             std::size_t block) {
  const auto slabs = slab_files(prepared.config, prepared.units, block, prepared.extras);
  ExpertTokens found{block, {}};
  for (std::size_t expert = 0; expert < prepared.config.num_experts; ++expert) {
    const auto of_expert = std::ranges::find_if(
        slabs, [&](const SlabFile& slab) { return slab.role.expert == expert; });
    if (of_expert == slabs.end()) continue;
    found.experts.push_back({expert, load_num_tokens(work, slabs, of_expert->role)});
  }
  return found;
}

/// This rank's share of the blocks, "block expert tokens" lines.
std::string count_blocks(RunContext& run, const PreparedRun& prepared, const WorkFolder& work) {
  const auto blocks = blocks_of(prepared.units);
  std::string lines;
  for (std::size_t i = run.comm.rank(); i < blocks.size(); i += run.comm.size()) {
    for (const auto& [expert, count] : tokens_of_block(prepared, work, blocks[i]).experts) {
      lines += fmt::format("{} {} {}\n", blocks[i], expert, count);
    }
  }
  return lines;
}

/// By block, from the lines of all ranks.
std::vector<ExpertTokens> collect(const std::vector<std::string>& of_ranks) {
  std::vector<ExpertTokens> found;
  for (const std::string& of_rank : of_ranks) {
    std::istringstream lines(of_rank);
    std::size_t block = 0;
    ExpertTokens::OfExpert row;
    while (lines >> block >> row.expert >> row.num_tokens) {
      if (found.empty() || found.back().block != block) found.push_back({block, {}});
      found.back().experts.push_back(row);
    }
  }
  std::ranges::sort(found, {}, &ExpertTokens::block);
  return found;
}

std::string all_text(const ExpertTokens& tokens) {
  std::vector<std::string> counts;
  for (const auto& [expert, count] : tokens.experts)
    counts.push_back(fmt::format("{}: {}", expert, count));
  return fmt::format("block {}, tokens per expert: {}", tokens.block, fmt::join(counts, ", "));
}

}  // namespace

std::string range_text(const ExpertTokens& tokens) {
  const auto [least, most] =
      std::ranges::minmax_element(tokens.experts, {}, &ExpertTokens::OfExpert::num_tokens);
  return fmt::format("block {}: {} experts saw {} to {} tokens each", tokens.block,
                     tokens.experts.size(), least->num_tokens, most->num_tokens);
}

std::string idle_text(const ExpertTokens& tokens) {
  std::vector<std::size_t> idle;
  for (const auto& [expert, count] : tokens.experts) {
    if (count == 0) idle.push_back(expert);
  }
  if (idle.empty()) return "";
  return fmt::format(
      "block {}: calibration saw no token of expert{} {} (nothing tells what their layers "
      "multiply, and quantize.ladder.fallback is what becomes of them). Calibrate on more and "
      "other "
      "text.",
      tokens.block, idle.size() == 1 ? "" : "s", fmt::join(idle, ", "));
}

std::vector<std::string> too_few(const ExpertTokens& tokens, std::uint64_t limit) {
  std::vector<std::string> lines;
  for (const auto& [expert, count] : tokens.experts) {
    if (count >= limit) continue;
    lines.push_back(
        fmt::format("block {}: expert {} saw {} tokens (calibration.audit.min_expert_tokens is {})",
                    tokens.block, expert, count, limit));
  }
  return lines;
}

void audit_experts(RunContext& run, const PreparedRun& prepared, const WorkFolder& work) {
  if (prepared.config.num_experts == 0) return;
  const std::string mine =
      cluster::on_all_ranks(run.comm, [&] { return count_blocks(run, prepared, work); });
  const auto limit = static_cast<std::uint64_t>(prepared.job.calibration.audit.min_expert_tokens);
  constexpr std::size_t kNamedAtMost = 20;
  std::vector<std::string> problems;
  for (const ExpertTokens& tokens : collect(run.comm.all_gather(mine))) {
    run.log.info(range_text(tokens));
    run.log.detail(all_text(tokens));
    if (const std::string idle = idle_text(tokens); !idle.empty()) run.log.warning(idle);
    for (std::string& problem : too_few(tokens, limit)) problems.push_back(std::move(problem));
  }
  if (problems.empty()) return;
  const std::size_t count = problems.size();
  if (count > kNamedAtMost) {
    problems.resize(kNamedAtMost);
    problems.push_back(fmt::format("... and {} more", count - kNamedAtMost));
  }
  throw InputError(
      fmt::format("the calibration does not tell enough about the model's experts:\n{}\nCalibrate "
                  "on more and other text, or lower the limit.",
                  fmt::join(problems, "\n")));
}

}  // namespace tessera::jobs
