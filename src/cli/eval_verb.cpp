#include <cstdio>

#include <fmt/format.h>

#include "cli/residual_options.hpp"
#include "cli/single_rank.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "jobs/eval_model.hpp"

namespace tessera::cli {
namespace {

struct EvalArguments {
  std::string model;
  std::vector<std::string> texts;
  std::string protocol = "every-position";
  ResidualOptions residual;
  std::size_t context_length = 2048, windows = 0, threads = 0, prompt_tokens = 0;
  bool json = false, verbose = false;
};

bool parse(const Arguments& words, EvalArguments& a) {
  CommandLine line(
      "eval",
      "Perplexity of a model on a text: the whole text tokenized once, no BOS, windows "
      "that do not\noverlap, the mean over all but the first token of each.");
  line.argument("DIR", "a model folder, plain or packed", a.model);
  line.options("text", "FILE", "plain text or .jsonl; may be given again", a.texts);
  line.option("context-length", "L", "tokens a window (2048)", a.context_length, 2);
  line.option("windows", "N", "windows to score; 0 for as many as the text has (0)", a.windows, 0);
  a.residual.add_to(
      line, "K,...",
      "with --residual: channels of each 1024 to compensate, one or several; else what "
      "the file was made for");
  line.option("protocol", "P",
              "with --residual: " + names_text<jobs::Protocol>() + " (every-position)", a.protocol);
  line.option(
      "prompt-tokens", "N",
      "with --protocol prefill-plain: tokens of a window that are its prompt; 0 for half (0)",
      a.prompt_tokens, 0);
  line.option("threads", "N", "0 for the cores this process may use (0)", a.threads, 0);
  line.flag("json", "print the result as one JSON document on standard output", a.json);
  line.flag("verbose", "log more", a.verbose, 'v');
  line.example("tessera eval models/smollm2-135m-vptq-2bit --text data/debian-faq.txt");
  line.example(
      "tessera eval models/smollm2-135m-vptq-2bit --text data/debian-faq.txt --residual "
      "models/smollm2-135m-vptq-2bit/decdec_residual.safetensors --k-chunk 0,16,64");
  line.example(
      "tessera eval models/smollm2-135m-instruct --text wiki.test.raw --context-length 2048 "
      "--windows 40 --json");
  if (!line.parse(words)) return false;
  require_input(!a.texts.empty(),
                "--text is missing (perplexity is measured on a text). Name a file.");
  return true;
}

std::optional<jobs::ResidualRequest> residual_of(const EvalArguments& a) {
  if (!a.residual.is_given()) return std::nullopt;
  jobs::ResidualRequest request;
  request.file = a.residual.file;
  request.k_chunks = a.residual.k_chunks();
  request.rule = a.residual.rule();
  request.protocol = choice_of<jobs::Protocol>("protocol", a.protocol);
  require_input(a.prompt_tokens == 0 || request.protocol == jobs::Protocol::prefill_plain,
                "--prompt-tokens is given, but every position is compensated (there is no prompt "
                "to leave out). Add --protocol prefill-plain.");
  request.prompt_tokens = a.prompt_tokens;
  return request;
}

void print_compensated(const jobs::EvalRequest& request, const jobs::EvalResult& result) {
  const jobs::ResidualRequest& residual = *request.residual;
  const std::size_t prompt = jobs::prompt_of(residual, request.context_length);
  fmt::print("protocol {}, selection {}{}\n", name_of_value(residual.protocol),
             name_of_value(residual.rule),
             prompt > 0 ? fmt::format(", prompts of {} tokens", prompt) : "");
  for (const jobs::CompensatedScore& scored : result.compensated) {
    fmt::print("perplexity {} at k_chunk {}: recall {:.3f}, {} a token\n", scored.score.to_text(),
               scored.k_chunk ? std::to_string(*scored.k_chunk) : "by layer", scored.recall,
               bytes_text(static_cast<double>(scored.bytes_per_token)));
  }
}

}  // namespace

int eval_verb(const Arguments& words) {
  EvalArguments arguments;
  if (!parse(words, arguments)) return kDone;

  SingleRank rank(arguments.verbose, arguments.threads);
  jobs::EvalRequest request;
  request.model = arguments.model;
  request.texts.assign(arguments.texts.begin(), arguments.texts.end());
  request.context_length = arguments.context_length;
  request.max_windows = arguments.windows;
  request.residual = residual_of(arguments);
  const jobs::EvalResult result = jobs::eval_model(rank.context, request);

  if (arguments.json) {
    fmt::print("{}\n", jobs::to_json(request, result).to_text(2));
  } else if (request.residual) {
    print_compensated(request, result);
  } else {
    fmt::print("perplexity {}\n", result.score.to_text());
    fmt::print(stderr, "scored in {}\n", duration_text(result.seconds));
  }
  return kDone;
}

}  // namespace tessera::cli
