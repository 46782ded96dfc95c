#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "model/architecture.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

/// Weights of one transformer block, in fp32. The only weights a forward pass keeps in memory.
struct BlockWeights {
  std::array<Matrix<float>, model::kNumLinearRoles> linear;  ///< by LinearRole, (out_features, in_features)
  std::array<std::vector<float>, model::kNumLinearRoles> bias;  ///< empty where there is none
  std::vector<float> input_norm, post_attention_norm;           ///< (hidden_size)
  std::vector<float> q_norm, k_norm;                            ///< (head_dim), empty without qk_norm

  const Matrix<float>& weight(model::LinearRole role) const { return linear[static_cast<std::size_t>(role)]; }
};

/// Reads block @p block from @p source. Throws InputError for a missing, misshaped or non-finite tensor.
BlockWeights load_block(const model::ModelConfig& config, const model::TensorSource& source, std::size_t block);

/// Sees the input of each linear layer, once per input role and batch: x is (num_sequences * length, in_features).
class InputListener {
 public:
  virtual ~InputListener() = default;
  virtual void on_input(model::InputRole role, MatrixView<const float> x) = 0;
};

/// Sequences of equal length, one after another in the rows of an activation matrix.
struct BatchShape {
  std::size_t num_sequences = 0;
  std::size_t length = 0;  ///< tokens a sequence
  std::size_t num_tokens() const { return num_sequences * length; }
};

/// Pushes hidden states through block @p block, in place. Work is cut into tiles of kTokenTile tokens of one sequence and, in attention,
/// into (sequence, key-value head); neither depends on the batch's size or the threads, so a sequence gives the same bits in
/// any batch on any number of threads.
///
/// Pre-norm decoder block: x += O(attention(rotate(Q(norm(x))), ...)); x += down(silu(gate(norm(x))) * up(norm(x))).
/// @param hidden (shape.num_tokens(), hidden_size)  @param listener may be null
class BlockForward {
 public:
  BlockForward(const model::ModelConfig& config, std::size_t max_length);
  void run(Threads& threads, const BlockWeights& weights, BatchShape shape, MatrixView<float> hidden,
           InputListener* listener) const;
  static constexpr std::size_t kTokenTile = 256;

 private:
  model::ModelConfig config_;
  Matrix<float> rotary_cos_, rotary_sin_;  // (max_length, head_dim / 2)
};

}  // namespace tessera::forward
