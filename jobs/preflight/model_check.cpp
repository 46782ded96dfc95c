#include <algorithm>
#include <chrono>
#include <string>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/human_text.hpp"
#include "jobs/preflight/checks.hpp"
#include "jobs/stages/prepare.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

constexpr double kSlow = 100e6;       // bytes a second
constexpr double kShareSeconds = 15;  // of the preflight; what then is left of a block stays unread
constexpr std::uint64_t kFewBytes = 50'000'000;  // too few to judge a disk by

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Reads a tensor as a run does: converted, and every value looked at.
void read_whole(const model::SafetensorsFolder& weights, const std::string& name,
                const std::vector<std::size_t>& shape) {
  if (shape.size() == 1) weights.read_vector(name, shape[0]);
  if (shape.size() == 2) weights.read_matrix(name, shape[0], shape[1]);
}

}  // namespace

Finding check_model(RunContext& run, const QuantizeJob& job, PreparedRun& prepared) {
  prepared = open_on_this_rank(run, job);
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const auto& file : prepared.weights->files()) {
    for (const auto& [name, entry] : file.entries()) bytes += entry.bytes;
    count += file.entries().size();
  }
  return {Verdict::ok, static_cast<double>(bytes), "bytes",
          fmt::format("{} tensors in {} files, {} layers to quantize", count,
                      prepared.weights->files().size(), prepared.units.size())};
}

Finding check_weights(RunContext& run, const PreparedRun& prepared) {
  const auto blocks = blocks_of(prepared.units);
  const std::size_t block = blocks[run.comm.rank() % blocks.size()];
  const auto& names = model::architecture_of(prepared.config).tensors;
  const std::string start_of_name = fmt::format("{}.{}.", names.blocks, block);
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t bytes = 0;
  for (const auto& file : prepared.weights->files()) {
    for (const auto& [name, entry] : file.entries()) {
      if (!name.starts_with(start_of_name) || seconds_since(start) > kShareSeconds) continue;
      run.stop.check();
      read_whole(*prepared.weights, name, entry.info.shape);
      bytes += entry.bytes;
    }
  }
  const double rate = static_cast<double>(bytes) / std::max(seconds_since(start), 1e-9);
  const std::string read =
      fmt::format("{} of block {} read and finite", bytes_text(static_cast<double>(bytes)), block);
  if (rate >= kSlow || bytes < kFewBytes) return {Verdict::ok, rate, "bytes/s", read};
  return {
      Verdict::warning, rate, "bytes/s",
      fmt::format("{}, at {}/s (below {}/s every stage waits for the weights). Put the model on "
                  "a faster file system.",
                  read, bytes_text(rate), bytes_text(kSlow))};
}

}  // namespace tessera::jobs
