#include <fmt/format.h>

#include "jobs/settings/describe_job.hpp"

namespace tessera::jobs {
namespace {

// Text and ready tokens exclude each other, in calibration as in evaluation.
void check_one_source(Problems& problems, bool has_text, const Path& tokens) {
  if (has_text && !tokens.empty()) {
    problems.add("tokens", fmt::format("is {} (text is given, too, and only one of them can be "
                                       "used). Remove one.",
                                       tokens.string()));
  }
}

// Folders of one job must not lie on each other: publishing renames, --fresh deletes.
void check_apart(Problems& problems, const char* key, const Path& folder, const char* other_key,
                 const Path& other) {
  const auto plain = [](const Path& path) {
    const auto normal = (path / "").lexically_normal();
    return normal.string();
  };
  if (folder.empty() || plain(folder) != plain(other)) return;
  problems.add(key, fmt::format("is {} ({} is the same folder). Choose another.", folder.string(),
                                other_key));
}

}  // namespace

void check(Problems& problems, const CalibrationSettings& s) {
  check_one_source(problems, !s.text.empty(), s.tokens);
  if (s.text.empty() && s.tokens.empty()) {
    problems.add("text",
                 "is missing (there is nothing to calibrate on). Name a text file, or a "
                 "token file in calibration.tokens.");
  }
  for (std::size_t i = 0; i < s.only_shards.size(); ++i) {
    if (s.only_shards[i] < s.num_shards) continue;
    problems.add(fmt::format("only_shards[{}]", i),
                 fmt::format("is {} (there are num_shards = {}, counted from 0). Name some of them.",
                             s.only_shards[i], s.num_shards));
  }
  if (s.num_shards > s.num_samples) {
    problems.add("num_shards",
                 fmt::format("is {} (there are {} samples, and no shard may be empty). Lower it to "
                             "{}, or raise num_samples.",
                             s.num_shards, s.num_samples, s.num_samples));
  }
}

void check(Problems& problems, const QuantizeSettings& s) {
  if (s.targets.empty()) {
    problems.add("targets",
                 "is an empty list (no layer would be quantized). Name a pattern, such "
                 "as '.*_proj'.");
  }
}

void check(Problems& problems, const EvaluationSettings& s) {
  check_one_source(problems, !s.text.empty(), s.tokens);
  if (s.max_perplexity_ratio && !s.is_wanted()) {
    problems.add("max_perplexity_ratio",
                 fmt::format("is {} (nothing is scored: evaluation.text is not given). Name a text "
                             "file or remove the gate.",
                             *s.max_perplexity_ratio));
  }
}

void check(Problems& problems, const QuantizeJob& s) {
  check_apart(problems, "output.dir", s.output.dir, "model.path", s.model.path);
  check_apart(problems, "runtime.work_dir", s.runtime.work_dir, "model.path", s.model.path);
  check_apart(problems, "runtime.work_dir", s.runtime.work_dir, "output.dir", s.output.dir);
}

}  // namespace tessera::jobs
