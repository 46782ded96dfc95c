#include "jobs/stages/prepare.hpp"

#include <set>

#include <fmt/core.h>

#include "cluster/agreement.hpp"
#include "core/atomic_file.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/job_fingerprint.hpp"
#include "jobs/kept_together.hpp"
#include "jobs/open_config.hpp"
#include "jobs/output_folder.hpp"
#include "jobs/recipes.hpp"
#include "jobs/settings/job_file.hpp"
#include "jobs/stale_parts.hpp"
#include "jobs/token_cache.hpp"
#include "model/check_tensors.hpp"

namespace tessera::jobs {
namespace {

PreparedRun open_model(RunContext& run, const QuantizeJob& job) {
  PreparedRun prepared = open_config(job);
  prepared.weights = std::make_unique<model::SafetensorsFolder>(job.model.path);
  model::check_tensors(*prepared.weights, prepared.config);  // from the headers alone
  prepared.memory =
      plan_memory(job, prepared.config, prepared.units, run.comm.size(), run.threads.count());
  return prepared;
}

void get_tokens(RunContext& run, const WorkFolder& work, PreparedRun& prepared) {
  const QuantizeJob& job = prepared.job;
  const Path tokenizer = job.model.path / "tokenizer.json";
  prepared.calibration_tokens =
      obtain_tokens(run, {"calibration", job.calibration.text, job.calibration.tokens, tokenizer,
                          work.path("tokens-calibration.h5")});
  calibration::require_samples(prepared.calibration_tokens, prepared.num_samples(),
                               prepared.sample_length(), "the calibration text");
  if (!job.evaluation.is_wanted()) return;
  std::vector<Path> texts;
  if (!job.evaluation.text.empty()) texts.push_back(job.evaluation.text);
  prepared.evaluation_tokens = obtain_tokens(run, {"evaluation", texts, job.evaluation.tokens,
                                                   tokenizer, work.path("tokens-evaluation.h5")});
  evaluation::count_windows(prepared.evaluation_tokens->tokens.size(),
                            {static_cast<std::size_t>(job.evaluation.context_length), 0});
}

/// Each rank reads its share of the files.
std::map<std::string, std::string> digest_inputs(RunContext& run, const PreparedRun& prepared) {
  std::vector<Path> files = {prepared.job.model.path / "config.json"};
  for (const auto& file : prepared.weights->files()) files.push_back(file.path());
  std::vector<std::string> digests(files.size());
  cluster::agree_on(run.comm, [&] {
    run.threads.for_each(files.size(), [&](std::size_t i) {
      if (i % run.comm.size() == run.comm.rank()) digests[i] = digest_of_file(files[i]);
    });
  });
  std::map<std::string, std::string> digest_of;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string found = run.comm.all_gather(digests[i])[i % run.comm.size()];
    digest_of[files[i].filename().string()] = found;
  }
  return digest_of;
}

void say_what_is_done(Log& log, const PreparedRun& prepared, const WorkFolder& work) {
  log.info(fmt::format("{}: {}, {} blocks of {} channels; {} layers to quantize",
                       prepared.weights->origin(), prepared.config.architecture,
                       prepared.config.num_blocks, prepared.config.hidden_size,
                       prepared.units.size()));
  log.info(fmt::format("calibrating on {} samples of {} tokens; work folder {}: {}",
                       prepared.num_samples(), prepared.sample_length(), work.root().string(),
                       work.how_far()));
}

void begin(RunContext& run, WorkFolder& work, const PreparedRun& prepared, ExistingRun existing) {
  cluster::on_first_rank(run.comm, [&] {
    std::set<std::string> redone;
    if (existing == ExistingRun::redo) {
      redone = with_those_kept_beside(prepared, work.record(),
                                      solved_files(prepared.units, run.redo_module));
      const StaleParts stale = find_stale(prepared, work, redone);
      for (const std::string& line : lines_of(stale)) run.log.info(line);
    }
    work.begin(prepared.fingerprint, {blocks_of(prepared.units).size(), prepared.units.size()},
               existing, redone);
    write_file_atomically(work.path("job.yaml"), job_text(prepared.job));
  });
  if (!run.comm.is_first()) work.refresh();
}

}  // namespace

PreparedRun open_on_this_rank(RunContext& run, const QuantizeJob& job) {
  require_replaceable(job.output.dir);
  PreparedRun opened = open_model(run, job);
  check_format(run.log, opened);
  return opened;
}

PreparedRun open_inputs(RunContext& run, const QuantizeJob& job, const WorkFolder& work,
                        ExistingRun existing) {
  return cluster::on_all_ranks(run.comm, [&] {
    work.require_usable(existing);
    return open_on_this_rank(run, job);
  });
}

void prepare(RunContext& run, PreparedRun& prepared, WorkFolder& work, ExistingRun existing) {
  work.refresh();  // as it is now that nobody else writes to it
  cluster::on_first_rank(run.comm, [&] { restore_output(prepared.job.output.dir); });
  // One rank tokenizes into the cache, the others find it there.
  cluster::on_first_rank(run.comm, [&] { get_tokens(run, work, prepared); });
  cluster::agree_on(run.comm, [&] {
    if (!run.comm.is_first()) get_tokens(run, work, prepared);
  });
  prepared.input_digests = digest_inputs(run, prepared);
  prepared.fingerprint = fingerprint_of(prepared);
  begin(run, work, prepared, existing);
  say_what_is_done(run.log, prepared, work);
}

}  // namespace tessera::jobs
