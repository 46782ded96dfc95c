#include <cstdio>

#include <fmt/format.h>

#include "cli/residual_options.hpp"
#include "cli/single_rank.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "jobs/generate_text.hpp"

namespace tessera::cli {
namespace {

struct GenerateArguments {
  jobs::GenerateRequest request;
  ResidualOptions residual;
  std::size_t threads = 0;
  bool json = false, verbose = false;
};

bool parse(const Arguments& words, GenerateArguments& a) {
  std::string model;
  std::size_t seed = 0;
  CommandLine line("generate",
                   "Continues a prompt with a model, on the CPU, with all weights in memory in "
                   "fp32. The prompt is\ntaken as it is: no chat template is put around it. Text "
                   "goes to standard output as it comes.");
  line.argument("DIR", "a model folder, plain or packed", model);
  line.option("prompt", "TEXT", "what is continued", a.request.prompt);
  line.option("max-tokens", "N", "tokens to generate at most (128)", a.request.max_tokens, 0);
  line.option("temperature", "T", "divides the logits; 0 takes the likeliest token each time (0)",
              a.request.temperature, 0, 100);
  line.option("top-p", "P", "draw among the likeliest tokens that have this probability (1)",
              a.request.top_p, 0, 1);
  line.option("top-k", "N", "draw among the N likeliest tokens; 0 for all (0)", a.request.top_k, 0);
  line.option("seed", "S", "of the draws: the same seed gives the same text (0)", seed, 0);
  a.residual.add_to(
      line, "K",
      "with --residual: channels of each 1024 to fetch for each generated token; else "
      "what the file was made for");
  line.option("threads", "N", "0 for the cores this process may use (0)", a.threads, 0);
  line.flag("json", "print text, tokens and times as one JSON document at the end", a.json);
  line.flag("verbose", "log more", a.verbose, 'v');
  line.example(
      "tessera generate models/smollm2-135m-vptq-2bit --prompt \"The capital of France is\"");
  line.example(
      "tessera generate models/smollm2-135m-instruct --prompt \"Once upon a time\" --temperature "
      "0.8 --top-p 0.95 --seed 1");
  line.example(
      "tessera generate models/smollm2-135m-vptq-2bit --prompt \"Once upon a time\" --residual "
      "models/smollm2-135m-vptq-2bit/decdec_residual.safetensors --k-chunk 32");
  if (!line.parse(words)) return false;
  require_input(!a.request.prompt.empty(),
                "--prompt is missing or empty (a text is continued). Name some text.");
  a.request.model = model;
  a.request.seed = seed;
  if (a.residual.is_given()) {
    a.request.residual = a.residual.file;
    a.request.selection = a.residual.rule();
    const auto k_chunks = a.residual.k_chunks();
    require_input(k_chunks.size() <= 1,
                  "--k-chunk names several numbers (one text is generated). "
                  "Give one.");
    if (!k_chunks.empty()) a.request.k_chunk = k_chunks.front();
  }
  return true;
}

void print_piece(std::string_view piece) {
  fmt::print("{}", piece);
  std::fflush(stdout);
}

void print_rates(const jobs::GenerateResult& result) {
  const generation::Generation& generation = result.generation;
  fmt::print(stderr, "prompt {} tokens, {:.1f}/s; generated {} tokens, {:.1f}/s; ended by {}\n",
             generation.num_prompt_tokens, result.prefill_tokens_per_second(),
             generation.tokens.size(), result.decode_tokens_per_second(),
             generation::name_of(generation.stop));
  if (result.bytes_per_token > 0) {
    fmt::print(stderr, "residuals: {} fetched for each generated token\n",
               bytes_text(static_cast<double>(result.bytes_per_token)));
  }
}

}  // namespace

int generate_verb(const Arguments& words) {
  GenerateArguments arguments;
  if (!parse(words, arguments)) return kDone;

  SingleRank rank(arguments.verbose, arguments.threads);
  const jobs::GenerateResult result =
      jobs::generate_text(rank.context, arguments.request, [&](std::string_view piece) {
        if (!arguments.json) print_piece(piece);
      });
  if (arguments.json) {
    fmt::print("{}\n", jobs::to_json(arguments.request, result).to_text(2));
  } else {
    print_piece("\n");
  }
  print_rates(result);
  return kDone;
}

}  // namespace tessera::cli
