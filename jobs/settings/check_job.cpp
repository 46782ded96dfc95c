#include <algorithm>

#include <fmt/format.h>

#include "jobs/settings/describe_job.hpp"
#include "residual/knee.hpp"

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
    problems.add(
        fmt::format("only_shards[{}]", i),
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

void check(Problems& problems, const LadderSettings& s) {
  for (std::size_t i = 1; i < s.dampening.size(); ++i) {
    if (s.dampening[i] > s.dampening[i - 1]) continue;
    problems.add(fmt::format("dampening[{}]", i),
                 fmt::format("is {} (the try before has {}, and a rung that failed is not climbed "
                             "twice). Let them rise.",
                             s.dampening[i], s.dampening[i - 1]));
  }
}

void check(Problems& problems, const QuantizeSettings& s) {
  if (s.targets.empty()) {
    problems.add("targets",
                 "is an empty list (no layer would be quantized). Name a pattern, such "
                 "as '.*_proj'.");
  }
  if (s.gptq.rounding != solver::Rounding::gptq) {
    problems.add("gptq.rounding", "is rtn (this is the section of GPTQ). Use the method rtn.");
  }
  if (s.rtn.rounding != solver::Rounding::rtn) {
    problems.add("rtn.rounding",
                 "is gptq (this is the section of plain rounding). Use the method gptq.");
  }
  if (s.equalize && (s.method == Method::gptq || s.method == Method::rtn)) {
    problems.add("equalize",
                 "is true (the methods gptq and rtn leave the model as it is). Use the method "
                 "aweq, which has "
                 "both roundings.");
  }
}

namespace {

void check_candidates(Problems& problems, const QuantizeSettings& s) {
  for (std::size_t i = 0; i < s.budget.candidates.size(); ++i) {
    const RecipeChange& c = s.budget.candidates[i];
    const bool is_of_vptq = c.vector_len || c.num_centroids || c.num_res_centroids || c.num_groups;
    const bool is_of_integers = c.scheme || c.group_size;
    if (!(s.method == Method::vptq ? is_of_integers : is_of_vptq)) continue;
    problems.add(
        fmt::format("quantize.budget.candidates[{}]", i),
        fmt::format("has {} (the method is {}). Remove it.",
                    s.method == Method::vptq ? "scheme or group_size" : "what only codebooks have",
                    name_of_value(s.method)));
  }
}

/// Codebooks and integers have formats of their own.
void check(Problems& problems, const OutputSettings& s, Method method) {
  if (s.format == OutputFormat::gptq && s.dtype != StoredType::float16) {
    problems.add("output.dtype",
                 "is not float16 (GPTQ's scales are halves). Use float16, or the format "
                 "compressed-tensors.");
  }
  const bool wants_codebooks = method == Method::vptq,
             has_codebooks = s.format == OutputFormat::vptq;
  if (wants_codebooks == has_codebooks) return;
  problems.add("output.format",
               wants_codebooks
                   ? "holds integers (the method vptq makes codebooks). Use the format vptq, or "
                     "the method aweq, gptq or rtn."
                   : "is vptq (the method makes integers). Choose compressed-tensors or gptq.");
}

}  // namespace

void check(Problems& problems, const EvaluationSettings& s) {
  check_one_source(problems, !s.text.empty(), s.tokens);
  if (s.max_perplexity_ratio && !s.is_wanted()) {
    problems.add("max_perplexity_ratio",
                 fmt::format("is {} (nothing is scored: evaluation.text is not given). Name a text "
                             "file or remove the gate.",
                             *s.max_perplexity_ratio));
  }
}

namespace {

bool is_known_gpu(const std::string& name) {
  return std::ranges::any_of(residual::known_gpus(),
                             [&](const auto& gpu) { return gpu.name == name; });
}

void check_residual(Problems& problems, const residual::ResidualSettings& s) {
  if (s.k_chunk > 0 && !s.is_wanted()) {
    problems.add("residual.k_chunk",
                 fmt::format("is {} (residual.bits is 0, so no residual is made that could "
                             "compensate). Set residual.bits to 4, or leave k_chunk out.",
                             s.k_chunk));
  }
  if (s.budget.is_wanted() && !s.is_wanted()) {
    problems.add("residual.budget",
                 "is given (residual.bits is 0, so nothing is fetched). Set "
                 "residual.bits to 4, or leave the budget out.");
  }
  if (s.budget.bytes_per_token > 0 && !s.budget.device.empty()) {
    problems.add("residual.budget.device",
                 fmt::format("is {} (bytes_per_token is given, too, and only one of them can be "
                             "kept). Remove one.",
                             s.budget.device));
  } else if (!s.budget.device.empty() && !is_known_gpu(s.budget.device)) {
    std::string known;
    for (const auto& gpu : residual::known_gpus()) {
      known += (known.empty() ? "" : ", ") + std::string(gpu.name);
    }
    problems.add("residual.budget.device",
                 fmt::format("is {} (no device that this program knows: {}). Name one of them, or "
                             "give bytes_per_token.",
                             s.budget.device, known));
  }
}

}  // namespace

void check(Problems& problems, const QuantizeJob& s) {
  check(problems, s.output, s.quantize.method);
  check_candidates(problems, s.quantize);
  if (s.quantize.budget.is_wanted() && s.output.format == OutputFormat::gptq) {
    problems.add("quantize.budget.bits_per_weight",
                 fmt::format("is {} (a GPTQ config.json holds one recipe for all layers). Choose "
                             "the format vptq or compressed-tensors, or remove the budget.",
                             s.quantize.budget.bits_per_weight));
  }
  check_residual(problems, s.residual);
  check_apart(problems, "output.dir", s.output.dir, "model.path", s.model.path);
  check_apart(problems, "runtime.work_dir", s.runtime.work_dir, "model.path", s.model.path);
  check_apart(problems, "runtime.work_dir", s.runtime.work_dir, "output.dir", s.output.dir);
}

}  // namespace tessera::jobs
