#include "jobs/merge.hpp"

#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "calibration/flat_statistics.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/not_finite.hpp"
#include "jobs/plan.hpp"
#include "jobs/work_folder.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

constexpr std::string_view kPartial = "/partial-";
constexpr std::string_view kShard = "-shard-";

/// "calibration/block-00004/partial-mlp_input-00000-of-00001-shard-00002-of-00008.h5" taken apart.
struct PartialName {
  std::string statistics;  ///< the file that the sum goes to
  std::size_t shard = 0, num_shards = 0;

  explicit PartialName(const std::string& file) {
    const auto at = file.find(kPartial), tail = file.find(kShard);
    statistics = file.substr(0, at) + "/statistics-" +
                 file.substr(at + kPartial.size(), tail - at - kPartial.size()) + ".h5";
    shard = number(file, tail + kShard.size());
    num_shards = number(file, file.rfind("-of-") + 4);
  }
  static bool is_one(const std::string& file) {
    return file.find(kPartial) != std::string::npos && file.find(kShard) != std::string::npos;
  }

 private:
  static std::size_t number(const std::string& text, std::size_t at) {
    std::size_t value = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), value);
    return value;
  }
};

/// Where each partial of a sum is: by shard, the folder that has it and the file there.
struct Part {
  const WorkFolder* folder;
  std::string file;
};
using PartsOfSum = std::map<std::size_t, Part>;

class Merge {
 public:
  Merge(const std::vector<fs::path>& parts, Log& log) {
    for (const fs::path& part : parts) open(part, log);
    for (const auto& folder : folders_) {
      for (const std::string& file : folder->committed_below("calibration/")) {
        if (PartialName::is_one(file)) add(*folder, file);
      }
    }
    require_complete();
  }

  MergeResult write(const fs::path& output, Log& log) const {
    WorkFolder work(output, log);
    work.require_usable(ExistingRun::refuse);
    work.begin(*folders_.front()->fingerprint(), folders_.front()->size(), ExistingRun::refuse);
    std::set<std::string> blocks;
    for (const auto& [statistics, parts] : sums_) {
      work.commit(statistics, "statistics", add_up(parts));
      blocks.insert(statistics.substr(0, statistics.rfind('/')));
    }
    for (const auto& folder : folders_) {
      for (const std::string& file : folder->committed_below("calibration/")) {
        if (is_not_finite_file(file)) copy_not_finite(*folder, work, file);
      }
    }
    const fs::path job = folders_.front()->path("job.yaml");
    if (fs::exists(job)) write_file_atomically(work.path("job.yaml"), read_text_file(job));
    return {num_shards_, blocks.size()};
  }

 private:
  void open(const fs::path& part, Log& log) {
    folders_.push_back(std::make_unique<WorkFolder>(part, log));
    const WorkFolder& folder = *folders_.back();
    if (!folder.holds_run()) {
      throw InputError(
          fmt::format("{} holds no run (merging needs work folders of runs with "
                      "calibration.only_shards). Check "
                      "the path.",
                      part.string()));
    }
    const auto differences =
        folder.fingerprint()->differences_from(*folders_.front()->fingerprint());
    if (differences.empty()) return;
    throw InputError(fmt::format("{} is of another job than {}: {}. Only parts of one job add up.",
                                 part.string(), folders_.front()->root().string(),
                                 fmt::join(differences, "; ")));
  }

  void add(const WorkFolder& folder, const std::string& file) {
    const PartialName name(file);
    num_shards_ = name.num_shards;
    if (!folder.is_intact(file)) {
      throw InputError(
          fmt::format("{} is damaged or gone. Run that part again with --resume, then merge.",
                      folder.path(file).string()));
    }
    const auto [found, is_new] = sums_[name.statistics].emplace(name.shard, Part{&folder, file});
    if (is_new) return;
    throw InputError(fmt::format(
        "calibration shard {} is in {} and in {} (its samples would count twice). Leave one out.",
        name.shard, found->second.folder->root().string(), folder.root().string()));
  }

  void require_complete() const {
    if (sums_.empty()) {
      throw InputError(
          "no folder holds partial sums (runs keep them with calibration.only_shards). Run the "
          "parts "
          "with that key.");
    }
    for (const auto& [statistics, parts] : sums_) {
      std::vector<std::size_t> missing;
      for (std::size_t s = 0; s < num_shards_; ++s) {
        if (!parts.contains(s)) missing.push_back(s);
      }
      if (missing.empty()) continue;
      throw InputError(fmt::format(
          "{} lacks calibration shard{} {} of {} (every sample counts once). Name the folders that "
          "have them, or calibrate them with calibration.only_shards.",
          statistics, missing.size() == 1 ? "" : "s", fmt::join(missing, ", "), num_shards_));
    }
  }

  static calibration::StatisticsSlab add_up(const PartsOfSum& parts) {
    calibration::StatisticsSlab sum;
    for (const auto& [shard, part] : parts) {  // ascending: the order of one run
      calibration::StatisticsSlab partial;
      part.folder->load(part.file, "partial", partial);
      if (sum.values.empty()) {
        sum = calibration::StatisticsSlab(partial.shape,
                                          {partial.begin, partial.begin + partial.values.size()});
      }
      sum.join(0, partial.values);
    }
    return sum;
  }

  std::vector<std::unique_ptr<WorkFolder>> folders_;
  std::map<std::string, PartsOfSum> sums_;
  std::size_t num_shards_ = 0;
};

}  // namespace

MergeResult merge_calibrations(const std::vector<fs::path>& parts, const fs::path& output,
                               Log& log) {
  require_input(!parts.empty(), "there is nothing to merge. Name the work folders of the parts.");
  return Merge(parts, log).write(output, log);
}

}  // namespace tessera::jobs
