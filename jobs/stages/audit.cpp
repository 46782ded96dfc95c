#include "jobs/stages/audit.hpp"

#include <algorithm>
#include <map>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "calibration/hessian.hpp"
#include "cluster/agreement.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "jobs/block_sums.hpp"
#include "jobs/stages/audit_experts.hpp"
#include "linalg/numerical_rank.hpp"

namespace tessera::jobs {
namespace {

constexpr std::size_t kNamedAtMost = 5;
constexpr double kRounding = 1e-6;  // statistics are sums of products in fp32

InputAudit audit_input(const PreparedRun& prepared, const WorkFolder& work, std::size_t block,
                       const model::InputKey& role) {
  const auto slabs = slab_files(prepared.config, prepared.units, block, prepared.extras);
  auto statistics = load_statistics(work, slabs, role);
  InputAudit found;
  found.name = fmt::format("block {}, {}", block, model::name_of(role));
  found.num_channels = statistics.num_channels();
  for (std::size_t j = 0; j < found.num_channels; ++j) {
    if (statistics.minimum[j] != statistics.maximum[j]) continue;
    (statistics.minimum[j] == 0 ? found.num_dead : found.num_constant) += 1;
  }
  if (prepared.job.calibration.audit.min_rank > 0 && statistics.hessian.num_tokens > 0 &&
      calibration::problem_of(statistics.hessian).empty()) {
    const std::uint64_t num_tokens = statistics.hessian.num_tokens;
    found.rank = linalg::numerical_rank(
        calibration::hessian_of(std::move(statistics.hessian.sum), num_tokens), kRounding);
  }
  return found;
}

using Input = std::pair<std::size_t, model::InputKey>;  // of a block

/// As many whole Hessians, each with a scaled copy and a factor, as solving may hold; at least one.
std::size_t inputs_at_a_time(const PreparedRun& prepared, const std::vector<Input>& inputs) {
  std::uint64_t largest = 1;
  for (const auto& [block, role] : inputs) {
    const std::uint64_t channels = model::channels_of(prepared.config, role);
    const std::uint64_t squares = prepared.extras.k_chunk > 0 ? 4 : 3;
    largest = std::max(largest, squares * channels * channels * sizeof(double));
  }
  return std::max<std::size_t>(1, prepared.memory.solve_bytes / largest);
}

/// What the blocks of this rank have to say, a line each.
std::string audit_blocks(RunContext& run, const PreparedRun& prepared, const WorkFolder& work) {
  const auto blocks = blocks_of(prepared.units);
  std::vector<Input> inputs;
  for (std::size_t i = run.comm.rank(); i < blocks.size(); i += run.comm.size()) {
    for (const auto& role : roles_of_block(prepared.units, blocks[i]))
      inputs.emplace_back(blocks[i], role);
  }
  std::vector<std::vector<std::string>> problems(inputs.size());
  const std::size_t at_a_time = inputs_at_a_time(prepared, inputs);
  for (std::size_t first = 0; first < inputs.size(); first += at_a_time) {
    run.threads.for_each(std::min(at_a_time, inputs.size() - first), [&](std::size_t task) {
      const auto& [block, role] = inputs[first + task];
      problems[first + task] =
          audit_problems(audit_input(prepared, work, block, role), prepared.job.calibration.audit);
    });
  }
  std::vector<std::string> lines;
  for (const auto& of_input : problems) lines.insert(lines.end(), of_input.begin(), of_input.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace

std::vector<std::string> audit_problems(const InputAudit& found, const AuditSettings& limits) {
  std::vector<std::string> problems;
  const auto channels = static_cast<double>(found.num_channels);
  const auto check = [&](std::size_t count, double limit, const char* what, const char* key) {
    if (static_cast<double>(count) <= limit * channels) return;
    problems.push_back(fmt::format("{}: {} of {} channels {} (calibration.audit.{} is {})",
                                   found.name, count, found.num_channels, what, key, limit));
  };
  check(found.num_dead, limits.max_dead_channels, "were zero for every token", "max_dead_channels");
  check(found.num_constant, limits.max_constant_channels, "had one value for every token",
        "max_constant_channels");
  if (static_cast<double>(found.rank) < limits.min_rank * channels) {
    problems.push_back(fmt::format(
        "{}: the Hessian's numerical rank is {} of {} (calibration.audit.min_rank is {})",
        found.name, found.rank, found.num_channels, limits.min_rank));
  }
  return problems;
}

std::vector<std::string> repeated_samples(std::span<const std::uint32_t> tokens,
                                          std::size_t num_samples, std::size_t length) {
  std::map<std::string, std::size_t> first;
  std::vector<std::string> repeated;
  for (std::size_t s = 0; s < num_samples; ++s) {
    const auto [known, is_new] =
        first.emplace(digest_of_bytes(std::as_bytes(tokens.subspan(s * length, length))), s);
    if (!is_new) repeated.push_back(fmt::format("{} repeats {}", s, known->second));
  }
  return repeated;
}

void audit(RunContext& run, const PreparedRun& prepared, const WorkFolder& work) {
  const AuditSettings& limits = prepared.job.calibration.audit;
  const auto repeated = repeated_samples(prepared.calibration_tokens.tokens, prepared.num_samples(),
                                         prepared.sample_length());
  if (!repeated.empty()) {
    const std::string text = fmt::format(
        "{} of {} calibration samples have the tokens of an earlier one: sample {}{}",
        repeated.size(), prepared.num_samples(),
        fmt::join(
            repeated.begin(),
            repeated.begin() + static_cast<std::ptrdiff_t>(std::min(repeated.size(), kNamedAtMost)),
            ", "),
        repeated.size() > kNamedAtMost ? ", ..." : "");
    if (static_cast<double>(repeated.size()) >
        limits.max_repeated_samples * static_cast<double>(prepared.num_samples())) {
      throw InputError(
          fmt::format("{} (calibration.audit.max_repeated_samples is {}). Calibrate on other text, "
                      "or raise the "
                      "limit.",
                      text, limits.max_repeated_samples));
    }
    run.log.warning(text);
  }
  audit_experts(run, prepared, work);
  const bool can_refuse =
      limits.max_dead_channels < 1 || limits.max_constant_channels < 1 || limits.min_rank > 0;
  if (!can_refuse) return;
  const std::string mine =
      cluster::on_all_ranks(run.comm, [&] { return audit_blocks(run, prepared, work); });
  std::vector<std::string> lines;
  for (const std::string& of_rank : run.comm.all_gather(mine)) {
    if (!of_rank.empty()) lines.push_back(of_rank);
  }
  if (lines.empty()) return;
  throw InputError(
      fmt::format("the calibration does not tell enough about the model:\n{}\nCalibrate on more "
                  "and other text, "
                  "or change the limits.",
                  fmt::join(lines, "\n")));
}

}  // namespace tessera::jobs
