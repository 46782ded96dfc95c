// Times the forward pass on random weights of SmolLM2-135M's shape, for
// tests/bench/forward_peers.py and for profiles:
//     bench_forward sequences length threads repeats
// Prints one JSON object: seconds for kNumBlocks blocks, and seconds for the likelihoods of all
// tokens (final norm, head, softmax).
#include <chrono>
#include <ctime>
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace {

using namespace tessera;

constexpr std::size_t kNumBlocks = 4;  // 56 MB of weights: more than a cache keeps

model::ModelConfig smollm2_shape() {
  model::ModelConfig config = test::tiny_config();
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_blocks = kNumBlocks;
  config.num_heads = 9;
  config.num_kv_heads = 3;
  config.head_dim = 64;
  config.vocab_size = 49152;
  config.tied_embeddings = true;
  return config;
}

/// "name": [wall seconds], "name_cpu": [processor seconds of all threads], a number for each
/// repeat.
template <class Step>
std::string timed(const char* name, int repeats, Step&& step) {
  std::vector<double> wall, cpu;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu_begin = std::clock();
    step();
    cpu.push_back(static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return fmt::format("\"{0}\": [{1}], \"{0}_cpu\": [{2}]", name, fmt::join(wall, ", "),
                     fmt::join(cpu, ", "));
}

int run(const std::vector<std::string>& args) {
  require_input(args.size() == 4, "usage: bench_forward sequences length threads repeats");
  const forward::BatchShape shape{std::stoul(args[0]), std::stoul(args[1])};
  Threads threads(std::stoul(args[2]));
  const int repeats = std::stoi(args[3]);

  const auto config = smollm2_shape();
  const auto source = test::random_weights(config, 1);
  std::vector<forward::BlockWeights> weights;
  for (std::size_t b = 0; b < kNumBlocks; ++b)
    weights.push_back(forward::load_block(config, source, b));
  const forward::EmbeddingAndHead ends(config, source);
  const forward::BlockForward forward(config, shape.length);
  const Matrix<float> input = test::random_matrix(shape.num_tokens(), config.hidden_size, 1);
  const std::vector<std::uint32_t> targets(shape.num_tokens(), 7);

  const std::string blocks = timed("blocks", repeats, [&] {
    Matrix<float> hidden = input.copy();
    for (const auto& block : weights) forward.run(threads, block, shape, hidden, nullptr);
  });
  const std::string head =
      timed("head", repeats, [&] { ends.negative_log_likelihood(threads, input, targets); });
  fmt::print("{{\"num_blocks\": {}, {}, {}}}\n", kNumBlocks, blocks, head);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_forward: {}\n", error.what());
    return 2;
  }
}
