#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// The tokens that calibration saw of each quantized expert of a block.
struct ExpertTokens {
  struct OfExpert {
    std::size_t expert = 0;
    std::uint64_t num_tokens = 0;
  };
  std::size_t block = 0;
  std::vector<OfExpert> experts;  ///< rising
};

/// "block 3: 8 experts saw 12 to 104 tokens each"
std::string range_text(const ExpertTokens& tokens);
/// "block 3: calibration saw no token of experts 1 and 4 (...)"; empty: each saw some.
std::string idle_text(const ExpertTokens& tokens);
/// Experts with fewer tokens than @p limit: "block 3: expert 1 saw 12 tokens (...)"; a line each.
std::vector<std::string> too_few(const ExpertTokens& tokens, std::uint64_t limit);

/// Says how many tokens each expert saw, and names those that saw none. Throws InputError where one
/// has fewer than calibration.audit.min_expert_tokens. Nothing without a mixture. Collective.
/// @pre every block's statistics are committed
void audit_experts(RunContext& run, const PreparedRun& prepared, const WorkFolder& work);

}  // namespace tessera::jobs
