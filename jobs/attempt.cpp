#include "jobs/attempt.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {

int exit_code_of(const std::exception& error) {
  if (const auto* interrupted = dynamic_cast<const Interrupted*>(&error)) {
    return interrupted->exit_code();
  }
  return dynamic_cast<const InputError*>(&error) != nullptr ? 2 : 1;
}

Attempt::Attempt(RunContext& run, const RuntimeSettings& settings)
    : run_(run), lock_(run.comm, settings.work_dir) {
  if (!lock_.warning().empty()) run.log.warning(lock_.warning());
  const fs::path folder = settings.work_dir / "ranks";
  // Signs of life and wishes of earlier attempts are not this one's.
  cluster::on_first_rank(run.comm, [&] {
    fs::remove_all(folder);
    fs::create_directories(folder);
  });
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<long>(seconds * 1000));
  };
  const double beat = std::min(1.0, settings.hung_after_seconds / 5);
  watch_.emplace(folder, run.comm.rank(), run.comm.size(), run.stop,
                 cluster::WatchTimes{milliseconds(beat), milliseconds(settings.hung_after_seconds)},
                 [&log = run.log](const cluster::RankSign& sign) {
                   log.warning(fmt::format("rank {} on {} (process {}) gives no sign of life",
                                           sign.rank, sign.host, sign.process_id));
                 });
}

Attempt::~Attempt() = default;

void Attempt::tell(const std::exception& error) {
  const bool is_failure = dynamic_cast<const Interrupted*>(&error) == nullptr;
  const std::string why =
      is_failure ? fmt::format("rank {} failed: {}", run_.comm.rank(), error.what()) : error.what();
  watch_->tell(why, exit_code_of(error));
  if (run_.comm.size() == 1) return;
  run_.comm.abandon();
  constexpr double kGraceSeconds = 5;
  watch_->leave_together(kGraceSeconds);
}

}  // namespace tessera::jobs
