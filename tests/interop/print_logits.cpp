// print_logits MODEL_FOLDER LENGTH < tokens > logits
// Reads token ids (uint32, native order) in sequences of LENGTH from stdin, writes their logits
// (float32, a row of vocab_size for each token) to stdout: our forward pass, for others to compare
// with.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <fmt/core.h>

#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "model/safetensors_file.hpp"

using namespace tessera;

namespace {

std::vector<std::uint32_t> read_tokens() {
  std::vector<std::uint32_t> tokens;
  std::uint32_t token = 0;
  while (std::fread(&token, sizeof(token), 1, stdin) == 1) tokens.push_back(token);
  return tokens;
}

void print_logits(const char* folder, std::size_t length) {
  const auto config = model::read_model_config(folder);
  const model::SafetensorsFolder source(folder);
  const std::vector<std::uint32_t> tokens = read_tokens();
  require_input(length > 0 && tokens.size() % length == 0, "stdin holds no whole sequences");
  Threads threads;
  const forward::EmbeddingAndHead ends(config, source);
  const forward::BlockForward forward(config, length);
  const forward::BatchShape shape{tokens.size() / length, length};
  Matrix<float> hidden(tokens.size(), config.hidden_size);
  ends.embed(tokens, length, hidden);
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    forward.run(threads, forward::load_block(config, source, block), shape, hidden, nullptr);
  }
  Matrix<float> logits(length, config.vocab_size);
  for (std::size_t s = 0; s < shape.num_sequences; ++s) {
    ends.logits(hidden.view().middle_rows(s * length, length), logits);
    std::fwrite(logits.data(), sizeof(float), logits.size(), stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: print_logits MODEL_FOLDER LENGTH < tokens > logits\n");
    return 2;
  }
  try {
    print_logits(argv[1], std::strtoul(argv[2], nullptr, 10));
  } catch (const std::exception& error) {
    fmt::print(stderr, "print_logits: {}\n", error.what());
    return 1;
  }
}
