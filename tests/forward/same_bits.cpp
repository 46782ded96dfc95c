#include "tests/forward/same_bits.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::forward {

void expect_same_bits_in_any_batch(const model::ModelConfig& config, InputListener* listener) {
  const BlockWeights weights = load_block(config, test::random_weights(config, 3), 0);
  const std::size_t length = 270, num_sequences = 3;
  const Matrix<float> input = test::random_matrix(num_sequences * length, config.hidden_size, 1);
  const BlockForward forward(config, 400);
  Matrix<float> expected = input.copy();
  Threads alone(1);
  for (std::size_t s = 0; s < num_sequences; ++s) {
    forward.run(alone, weights, {1, length}, expected.view().middle_rows(s * length, length),
                nullptr);
  }
  for (const std::size_t count : {1, 2, 3}) {
    Threads threads(count);
    Matrix<float> hidden = input.copy();
    forward.run(threads, weights, {num_sequences, length}, hidden, count == 2 ? listener : nullptr);
    EXPECT_EQ(std::memcmp(hidden.data(), expected.data(), hidden.size() * sizeof(float)), 0)
        << count;
  }
}

}  // namespace tessera::forward
