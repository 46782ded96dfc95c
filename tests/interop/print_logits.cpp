// print_logits MODEL_FOLDER LENGTH [LEVELS] < tokens > logits
// Reads token ids (uint32, native order) in sequences of LENGTH from stdin, writes their logits
// (float32, a row of vocab_size for each token) to stdout: our forward pass over a plain or packed
// model, for others to compare with. LEVELS: what a token's largest input is divided by where
// 8-bit inputs are dynamic, 127 as engines do; compared with 127.5, compressed-tensors' simulation.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <fmt/core.h>

#include "format/open_weights.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"

using namespace tessera;

namespace {

/// The weights of another source, with other levels for its inputs.
class WithLevels final : public model::TensorSource {
 public:
  WithLevels(const model::TensorSource& base, float levels) : base_(base), levels_(levels) {}
  bool contains(std::string_view name) const override { return base_.contains(name); }
  model::TensorInfo info(std::string_view name) const override { return base_.info(name); }
  void read(std::string_view name, std::span<float> out) const override { base_.read(name, out); }
  std::string origin() const override { return base_.origin(); }
  std::optional<InputQuantization> input_quantization(std::string_view layer) const override {
    auto input = base_.input_quantization(layer);
    if (input && input->is_dynamic) input->levels = levels_;
    return input;
  }

 private:
  const model::TensorSource& base_;
  const float levels_;
};

std::vector<std::uint32_t> read_tokens() {
  std::vector<std::uint32_t> tokens;
  std::uint32_t token = 0;
  while (std::fread(&token, sizeof(token), 1, stdin) == 1) tokens.push_back(token);
  return tokens;
}

void print_logits(const char* folder, std::size_t length, float levels) {
  const auto config = model::read_model_config(folder);
  const auto weights = format::open_weights(folder);
  const WithLevels source(*weights, levels);
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
  if (argc != 3 && argc != 4) {
    fmt::print(stderr, "usage: print_logits MODEL_FOLDER LENGTH [LEVELS] < tokens > logits\n");
    return 2;
  }
  try {
    print_logits(argv[1], std::strtoul(argv[2], nullptr, 10),
                 argc == 4 ? std::strtof(argv[3], nullptr) : 127.0f);
  } catch (const std::exception& error) {
    fmt::print(stderr, "print_logits: {}\n", error.what());
    return 1;
  }
}
