#include "jobs/eval_model.hpp"

#include <chrono>
#include <cstdlib>

#include <fmt/format.h>

#include "core/error.hpp"
#include "format/manifest.hpp"
#include "format/open_weights.hpp"
#include "jobs/token_cache.hpp"
#include "model/model_config.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

/// A folder for the tokens while they are needed: an evaluation leaves nothing behind.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "tessera-eval-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw MachineError::from_errno("cannot make " + name);
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

calibration::TokenStream tokens_of(RunContext& run, const EvalRequest& request) {
  const ScratchFolder scratch;
  TokenRequest wanted;
  wanted.key = "evaluation";
  wanted.texts = request.texts;
  wanted.tokenizer = request.model / "tokenizer.json";
  wanted.cache = scratch / "tokens.h5";
  return obtain_tokens(run, wanted);
}

/// As the run that made the folder noted; 0 where there is no note.
double bits_per_weight(const fs::path& folder) {
  if (!fs::exists(folder / format::kManifestName)) return 0;
  const JsonValue scores = format::read_manifest(folder).scores;
  return scores.contains("bits_per_weight") ? scores.at("bits_per_weight").number() : 0;
}

}  // namespace

EvalResult eval_model(RunContext& run, const EvalRequest& request) {
  require_input(
      fs::is_directory(request.model),
      fmt::format("{} is not a folder (a model is a Hugging Face folder with config.json, "
                  "safetensors and tokenizer.json). Check the path.",
                  request.model.string()));
  const model::ModelConfig config = model::read_model_config(request.model);
  const auto weights = format::open_weights(request.model);
  const calibration::TokenStream stream = tokens_of(run, request);

  EvalResult result;
  result.num_text_tokens = stream.tokens.size();
  result.text_digest = stream.text_digest;
  const auto start = std::chrono::steady_clock::now();
  const evaluation::ScoredModel model{config, *weights, request.model.filename().string()};
  const evaluation::PerplexitySettings settings{request.context_length, request.max_windows};
  if (request.residual) {
    result.compensated =
        score_compensated(run, request.model, model, *request.residual, stream.tokens, settings);
    result.score = result.compensated.front().score;
    result.base_bits = bits_per_weight(request.model);
  } else {
    result.score = evaluation::perplexity(run.threads, run.log, model, stream.tokens, settings);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

JsonValue to_json(const EvalRequest& request, const EvalResult& result) {
  JsonValue texts = JsonValue::list();
  for (const fs::path& text : request.texts) texts.append(text.string());
  JsonValue document = JsonValue::object();
  document.set("perplexity", result.score.perplexity)
      .set("tokens", result.score.num_tokens)
      .set("context_length", result.score.context_length)
      .set("windows", result.score.num_windows)
      .set("mean_nll", result.score.mean_nll)
      .set("model", request.model.string())
      .set("text", std::move(texts))
      .set("text_sha256", result.text_digest)
      .set("text_tokens", result.num_text_tokens)
      .set("seconds", result.seconds);
  if (request.residual) {
    document.set("prompt_tokens", prompt_of(*request.residual, request.context_length));
    add_compensation(document, *request.residual, result.compensated, result.base_bits);
  }
  return document;
}

}  // namespace tessera::jobs
