#pragma once
#include "jobs/settings/job_settings.hpp"

// Every section of a job described once, in the vocabulary of core/describe.hpp, and the checks
// that need two fields. Included where a job is read, written, compared or documented.
namespace tessera {

template <>
struct EnumNames<jobs::Method> {
  static constexpr std::pair<jobs::Method, std::string_view> kNames[] = {
      {jobs::Method::vptq, "vptq"},
      {jobs::Method::aweq, "aweq"},
      {jobs::Method::gptq, "gptq"},
      {jobs::Method::rtn, "rtn"}};
};
template <>
struct EnumNames<jobs::Fallback> {
  static constexpr std::pair<jobs::Fallback, std::string_view> kNames[] = {
      {jobs::Fallback::plain, "plain"},
      {jobs::Fallback::keep, "keep"},
      {jobs::Fallback::fail, "fail"}};
};
template <>
struct EnumNames<jobs::OutputFormat> {
  static constexpr std::pair<jobs::OutputFormat, std::string_view> kNames[] = {
      {jobs::OutputFormat::vptq, "vptq"},
      {jobs::OutputFormat::compressed_tensors, "compressed-tensors"},
      {jobs::OutputFormat::gptq, "gptq"}};
};
template <>
struct EnumNames<jobs::Backend> {
  static constexpr std::pair<jobs::Backend, std::string_view> kNames[] = {
      {jobs::Backend::automatic, "auto"}, {jobs::Backend::cpu, "cpu"}};
};

}  // namespace tessera

namespace tessera::jobs {

template <class Fields>
void describe(Fields& f, ModelSettings& s) {
  f("path", s.path, "a Hugging Face folder: config.json, safetensors, tokenizer.json", required(),
    alias("model_id"), alias("model_name_or_path"));
}

template <class Fields>
void describe(Fields& f, AuditSettings& s) {
  f("max_dead_channels", s.max_dead_channels,
    "share of an input's channels that may be zero for every token", between(0, 1),
    without_effect());
  f("max_constant_channels", s.max_constant_channels,
    "share of an input's channels that may have one value for every token", between(0, 1),
    without_effect());
  f("min_rank", s.min_rank,
    "least numerical rank of a Hessian, as a share of its size; 0 to skip the factorizations",
    between(0, 1), without_effect());
  f("max_repeated_samples", s.max_repeated_samples,
    "share of the samples that may have the tokens of another", between(0, 1), without_effect());
  f("min_expert_tokens", s.min_expert_tokens,
    "tokens that each expert of a mixture has to see at least", at_least(0), without_effect());
}

template <class Fields>
void describe(Fields& f, CalibrationSettings& s) {
  f("text", s.text, "plain text or .jsonl files, tokenized once, in this order", alias("dataset"));
  f("tokens", s.tokens, "a ready token file (HDF5) instead of text");
  f("num_samples", s.num_samples, "sequences to calibrate on", at_least(1), alias("nsamples"),
    alias("num_calibration_samples"));
  f("max_seq_length", s.max_seq_length, "tokens a sample", at_least(1), alias("seqlen"),
    alias("seq_len"), alias("max_sequence_length"));
  f("num_shards", s.num_shards,
    "calibration shards, which fix the order of summation; "
    "at least as many as processes",
    at_least(1));
  f("only_shards", s.only_shards,
    "calibrate these shards alone (from 0), and stop: another machine does the others, and "
    "`tessera "
    "merge` joins the work folders",
    at_least(0), without_effect());
  f("audit", s.audit, "limits that the calibration has to keep before anything is solved");
}

template <class Fields>
void describe(Fields& f, LayerOverride& s) {
  f("match", s.match, "which layers: a pattern", required(), pattern());
  f("vptq", s.vptq, "what differs for them");
  f("aweq", s.aweq, "what differs for them");
}

template <class Fields>
void describe(Fields& f, LadderSettings& s) {
  f("dampening", s.dampening,
    "dampening_frac of further tries, rising; those not above quantize.dampening_frac are left out",
    between(0, 1000));
  f("fallback", s.fallback,
    "the last rung: solve as if all channels were alike (plain), leave the layer as it is (keep), "
    "or end the run when all other layers are solved (fail)");
  f("min_tokens", s.min_tokens,
    "a layer that saw fewer calibration tokens goes straight to the last rung", at_least(1));
}

template <class Fields>
void describe(Fields& f, QuantizeSettings& s) {
  f("method", s.method, "how layers are quantized");
  f("targets", s.targets, "which linear layers of the blocks: patterns, any of which matches",
    pattern());
  f("ignore", s.ignore, "which of them to leave as they are: patterns", pattern());
  f("dampening_frac", s.dampening_frac,
    "share of the Hessian's mean diagonal (its largest hundredth left out) that is added to its "
    "diagonal",
    between(0, 1), alias("percdamp"), alias("damp_percent"), alias("damp_fraction"),
    alias("rel_damp"));
  f("seed", s.seed, "of all random numbers, which also depend on the layer's name", alias("kseed"));
  f("equalize", s.equalize, "with the method vptq: balance inputs and weights first, as aweq does");
  f("ladder", s.ladder, "what is done about a layer that cannot be solved; the run ends with 3");
  f("vptq", s.vptq, "settings of the method vptq");
  f("aweq", s.aweq, "settings of the method aweq: equalized integers with corrected biases");
  f("gptq", s.gptq, "settings of the method gptq: integers, not equalized");
  f("rtn", s.rtn, "settings of the method rtn: integers, rounded to the nearest");
  f("overrides", s.overrides, "other settings for some layers; the first that matches wins",
    starting_from(LayerOverride{"", s.vptq, s.aweq}));
  f("budget", s.budget,
    "a recipe for each layer, where bits pay most; layers that an override matches keep theirs");
}

template <class Fields>
void describe(Fields& f, EvaluationSettings& s) {
  f("text", s.text, "the text that perplexity is measured on");
  f("tokens", s.tokens, "a ready token file (HDF5) instead of text");
  f("context_length", s.context_length, "tokens a window", at_least(2));
  f("windows", s.windows, "windows to score; 0 for as many as the text has", at_least(0));
  f("k_chunks", s.k_chunks,
    "channels of each 1024 to compensate: the packed model is scored with its residuals at each, "
    "too; empty for residual.k_chunk",
    between(0, 1024));
  f("max_perplexity_ratio", s.max_perplexity_ratio,
    "the gate: nothing is published when quantized / original perplexity is above it", at_least(1),
    without_effect());
  f("max_divergence", s.max_divergence,
    "the gate: nothing is published when the packed model's next tokens diverge from the "
    "original's by more nats in the mean (Kullback-Leibler)",
    at_least(0), without_effect());
}

template <class Fields>
void describe(Fields& f, OutputSettings& s) {
  f("dir", s.dir, "the folder to make", required(), without_effect(), alias("output_dir"));
  f("format", s.format, "the format of the packed model");
  f("dtype", s.dtype, "the type of codebooks, scales and the tensors that are not quantized");
  f("max_shard_size", s.max_shard_size, "size of one safetensors file at most", at_least(1),
    in_bytes());
  f("store_tied_head", s.store_tied_head,
    "write lm_head.weight even when it is tied to the embedding, for vptq's own loader");
}

template <class Fields>
void describe(Fields& f, RuntimeSettings& s) {
  f("work_dir", s.work_dir, "where the run keeps what it needs to resume", required(),
    without_effect());
  f("backend", s.backend, "where numbers are crunched");
  f("threads", s.threads, "0 for the cores this process may use", at_least(0), without_effect(),
    alias("num_threads"));
  f("host_memory", s.host_memory, "main memory that each process may use at most; 0 for no bound",
    in_bytes(), without_effect());
  f("scratch", s.scratch, "disk space in work_dir to use at most; 0 for no bound", in_bytes(),
    without_effect());
  f("walltime_seconds", s.walltime_seconds,
    "how long the run may take: no block or layer is started that cannot end before, and the run "
    "ends resumable; 0 for what Slurm says, if anything",
    at_least(0), without_effect());
  f("hung_after_seconds", s.hung_after_seconds,
    "a process that gives no sign of life for so long ends the attempt, resumable", at_least(1),
    without_effect());
}

template <class Fields>
void describe(Fields& f, QuantizeJob& s) {
  f("model", s.model, "The model to quantize.");
  f("calibration", s.calibration,
    "The text that decides which directions of a layer's input matter. Give text or tokens.");
  f("quantize", s.quantize, "What is quantized, and how.");
  f("residual", s.residual,
    "Residual files (QDEC): what quantization lost, to be fetched by the channel. Leave out for "
    "none.");
  f("evaluation", s.evaluation,
    "How the result is scored. Without text or tokens it is not scored.");
  f("output", s.output, "The packed model that is made.");
  f("runtime", s.runtime, "Where and with what the job runs.");
  f("slurm", s.slurm,
    "What a batch system is asked for by `tessera submit`, and what `tessera plan` reckons with.",
    without_effect());
}

void check(Problems& problems, const CalibrationSettings& s);
void check(Problems& problems, const LadderSettings& s);
void check(Problems& problems, const QuantizeSettings& s);
void check(Problems& problems, const EvaluationSettings& s);
void check(Problems& problems, const QuantizeJob& s);

}  // namespace tessera::jobs
