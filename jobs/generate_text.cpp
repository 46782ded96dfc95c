#include "jobs/generate_text.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "evaluation/compensation.hpp"
#include "format/open_weights.hpp"
#include "format/residual_file.hpp"
#include "jobs/compensated_score.hpp"
#include "jobs/tokenizer_process.hpp"
#include "model/end_tokens.hpp"
#include "model/model_config.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

double rate(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

/// A residual file while a text is generated with it.
class OpenResidual {
 public:
  OpenResidual(const GenerateRequest& request, const model::ModelConfig& config,
               std::size_t num_prompt_tokens)
      : config_(config) {
    if (request.residual.empty()) return;
    file_.emplace(request.residual);
    file_->require_base(request.model, config);
    auto settings = compensation_at(request.k_chunk, request.selection, *file_);
    settings.first_position = num_prompt_tokens;
    compensator_.emplace(*file_, std::move(settings), evaluation::ResidualForm::fetched);
  }

  /// Empty without a residual.
  generation::BlockHook hook() const {
    if (!compensator_) return {};
    return [this](std::size_t block, forward::BlockWeights& weights) {
      compensator_->add_to(config_, block, weights);
    };
  }
  std::uint64_t bytes_per_token() const {
    return compensator_ ? compensator_->bytes_per_token(config_) : 0;
  }

 private:
  const model::ModelConfig& config_;
  std::optional<format::ResidualFile> file_;
  std::optional<evaluation::Compensator> compensator_;
};

generation::GenerationSettings settings_of(const GenerateRequest& request) {
  generation::GenerationSettings settings;
  settings.max_tokens = request.max_tokens;
  settings.sampling = {request.temperature, request.top_k, request.top_p, request.seed};
  settings.end_tokens = model::read_end_tokens(request.model);
  return settings;
}

void check_files(const GenerateRequest& request) {
  const std::string folder = request.model.string();
  require_input(
      fs::is_directory(request.model),
      fmt::format("{} is not a folder (a model is a Hugging Face folder with config.json, "
                  "safetensors and tokenizer.json). Check the path.",
                  folder));
  require_input(
      fs::exists(request.model / "tokenizer.json"),
      fmt::format("{} holds no tokenizer.json (the prompt is turned into tokens with it). "
                  "Copy the one of the original model.",
                  folder));
}

}  // namespace

double GenerateResult::prefill_tokens_per_second() const {
  return rate(generation.prefill_seconds > 0 ? generation.num_prompt_tokens : 0,
              generation.prefill_seconds);
}

double GenerateResult::decode_tokens_per_second() const {
  return rate(generation.num_decoded, generation.decode_seconds);
}

GenerateResult generate_text(RunContext& run, const GenerateRequest& request,
                             const std::function<void(std::string_view)>& on_text) {
  check_files(request);
  const generation::GenerationSettings settings = settings_of(request);
  check(settings.sampling);
  const model::ModelConfig config = model::read_model_config(request.model);
  const auto weights = format::open_weights(request.model);
  TokenizerProcess tokenizer(run.helpers, request.model);
  const std::vector<std::uint32_t> prompt = tokenizer.encode(request.prompt);
  const OpenResidual residual(request, config, prompt.size());

  GenerateResult result;
  const auto tell = [&](const std::string& piece) {
    if (piece.empty()) return;
    result.text += piece;
    on_text(piece);
  };
  result.generation = generation::generate(
      run.threads, run.log, config, *weights, prompt, settings,
      [&](std::uint32_t token) { tell(tokenizer.decode(token)); }, residual.hook());
  result.bytes_per_token = residual.bytes_per_token();
  tell(tokenizer.finish());
  return result;
}

JsonValue to_json(const GenerateRequest& request, const GenerateResult& result) {
  const generation::Generation& generation = result.generation;
  JsonValue tokens = JsonValue::list();
  for (const std::uint32_t token : generation.tokens) tokens.append(token);
  JsonValue document = JsonValue::object();
  document.set("text", result.text)
      .set("tokens", std::move(tokens))
      .set("stop", generation::name_of(generation.stop))
      .set("prompt", request.prompt)
      .set("prompt_tokens", generation.num_prompt_tokens)
      .set("model", request.model.string())
      .set("temperature", request.temperature)
      .set("top_k", request.top_k)
      .set("top_p", request.top_p)
      .set("seed", request.seed)
      .set("prefill_seconds", generation.prefill_seconds)
      .set("decode_seconds", generation.decode_seconds)
      .set("prefill_tokens_per_second", result.prefill_tokens_per_second())
      .set("decode_tokens_per_second", result.decode_tokens_per_second());
  if (!request.residual.empty()) {
    document.set("residual", request.residual.string())
        .set("selection", name_of_value(request.selection))
        .set("bytes_per_token", result.bytes_per_token);
  }
  return document;
}

}  // namespace tessera::jobs
