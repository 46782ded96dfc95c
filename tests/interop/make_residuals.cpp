// make_residuals OUTPUT [BITS [SHARD_BYTES]]
// Solves residuals of random layers of two blocks (sizes of several words, the second block without
// an o_proj) and writes them as a run does; beside them what they were solved for and what our
// reader decodes: lost.safetensors and decoded.safetensors, "<layer>" as F32 [outputs, inputs].
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/core.h>

#include "core/dtype.hpp"
#include "residual/residual_solver.hpp"
#include "tests/format/random_residual.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;

struct Linear {
  const char* module;
  std::size_t outputs, inputs;
  std::uint64_t input;  // layers that read the same have the same facts of its channels
};
constexpr Linear kLinears[] = {{"self_attn.q_proj", 96, 64, 1}, {"self_attn.k_proj", 32, 64, 1},
                               {"self_attn.v_proj", 32, 64, 1}, {"self_attn.o_proj", 64, 96, 2},
                               {"mlp.gate_proj", 160, 64, 3},   {"mlp.up_proj", 160, 64, 3},
                               {"mlp.down_proj", 64, 160, 4}};

/// Rows of different sizes, and one of zeros.
Matrix<float> random_loss(std::size_t outputs, std::size_t inputs, std::uint64_t seed) {
  Matrix<float> lost = test::random_matrix(outputs, inputs, seed);
  for (std::size_t i = 0; i < outputs; ++i) {
    const float size = i == 3 ? 0.0F : 0.02F * std::exp2(static_cast<float>(i % 7) - 3);
    for (std::size_t j = 0; j < inputs; ++j) lost(i, j) *= size;
  }
  return lost;
}

void write_matrices(const fs::path& file, const std::map<std::string, Matrix<float>>& matrices) {
  std::vector<model::TensorToWrite> tensors;
  std::vector<std::size_t> members;
  for (const auto& [name, matrix] : matrices) {
    members.push_back(tensors.size());
    tensors.push_back({name,
                       {DType::f32, {matrix.rows(), matrix.cols()}},
                       [&matrix = matrix](std::span<std::byte> out) {
                         convert_from_float(DType::f32, matrix.span(), out.data());
                       }});
  }
  model::write_safetensors_file(file, tensors, members);
}

void make(const fs::path& output, int bits, std::size_t shard_bytes) {
  Threads threads(1);
  test::Residuals residuals;
  std::map<std::string, Matrix<float>> lost, decoded;
  for (std::uint64_t block = 0; block < 2; ++block) {
    for (const Linear& linear : kLinears) {
      if (block == 1 && linear.module == std::string("self_attn.o_proj")) continue;
      const std::string name = fmt::format("model.layers.{}.{}", block, linear.module);
      lost[name] = random_loss(linear.outputs, linear.inputs, 10 * block + lost.size());
      const Matrix<float> nothing(linear.outputs, linear.inputs);
      residual::ResidualLayer layer =
          residual::solve_residual(threads, lost[name], nothing, {}, bits);
      const auto facts = test::random_residual(32, linear.inputs, 4, 10 * block + linear.input);
      layer.top_magnitude = facts.top_magnitude;
      layer.top_magnitude[0] = 1e6F;  // more than a half holds
      layer.static_order = facts.static_order;
      residuals[name] = std::move(layer);
    }
  }
  test::write_residuals(output, residuals, test::residual_info(static_cast<std::uint64_t>(bits)),
                        shard_bytes);
  const format::ResidualFile file(output);
  for (const std::string& layer : file.layers()) {
    decoded[layer] = residual::dequantize(file.read(layer));
  }
  write_matrices(output / "lost.safetensors", lost);
  write_matrices(output / "decoded.safetensors", decoded);
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "make_residuals OUTPUT [BITS [SHARD_BYTES]]\n");
    return 2;
  }
  try {
    tessera::make(argv[1], argc > 2 ? std::stoi(argv[2]) : 4,
                  argc > 3 ? std::stoull(argv[3]) : std::size_t{1} << 30);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
