#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "core/input_quantization.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "forward/compensation.hpp"
#include "forward/experts.hpp"
#include "forward/norm.hpp"
#include "forward/rotary.hpp"
#include "linalg/packed_weight.hpp"
#include "model/architecture.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

struct BlockScratch;

/// Weights of one transformer block, in fp32, the linear layers packed for multiplication. The only
/// weights a forward pass keeps in memory.
struct BlockWeights {
  /// By LinearRole; empty where the family has none.
  std::array<linalg::PackedWeight, model::kNumLinearRoles> linear;
  std::array<std::vector<float>, model::kNumLinearRoles> bias;  ///< empty where there is none
  NormWeights attention_norm, mlp_norm;                         ///< (hidden_size)
  std::vector<float> q_norm, k_norm;  ///< (head_dim), empty without qk_norm
  MixtureWeights mixture;             ///< empty where the MLP is a plain one

  /// How a packed model's engine rounds what its linear layers read, by InputRole; nothing where it
  /// does not.
  std::array<std::optional<InputQuantization>, model::kNumInputRoles> input_quantization;

  /// What is added to the products of quantized layers, by LinearRole; nothing where it is empty.
  std::array<Compensation, model::kNumLinearRoles> compensation;

  const linalg::PackedWeight& weight(model::LinearRole role) const {
    return linear[static_cast<std::size_t>(role)];
  }
  const std::vector<float>& bias_of(model::LinearRole role) const {
    return bias[static_cast<std::size_t>(role)];
  }
  const Compensation& compensation_of(model::LinearRole role) const {
    return compensation[static_cast<std::size_t>(role)];
  }
};

/// Reads block @p block from @p source, one plain matrix in memory at a time. Throws InputError for
/// a missing, misshaped or non-finite tensor, and where layers that read the same input have it
/// rounded in different ways.
/// @param order plain where products of single tokens are to be shared out over the threads
BlockWeights load_block(const model::ModelConfig& config, const model::TensorSource& source,
                        std::size_t block, linalg::WeightOrder order = linalg::WeightOrder::packed);

/// Sees the input of each linear layer, before any rounding, once per input role and batch: x is
/// (num_sequences * length, in_features).
class InputListener {
 public:
  virtual ~InputListener() = default;
  virtual void on_input(model::InputRole role, MatrixView<const float> x) = 0;
  /// The same of a mixture's expert that sees some of the batch's tokens: row i of @p x is that of
  /// row tokens[i] of the batch, rising.
  virtual void on_expert_input(const model::InputKey&, MatrixView<const float>,
                               std::span<const std::size_t>) {}
};

/// Sequences of equal length, one after another in the rows of an activation matrix.
struct BatchShape {
  std::size_t num_sequences = 0;
  std::size_t length = 0;  ///< tokens a sequence
  std::size_t num_tokens() const { return num_sequences * length; }
};

/// What one block keeps of a sequence that grows: the keys and values of its positions so far,
/// after norms and rotation.
struct KeyValueCache {
  KeyValueCache(const model::ModelConfig& config, std::size_t capacity)
      : keys(capacity, config.kv_size()), values(capacity, config.kv_size()) {}
  Matrix<float> keys, values;  ///< (capacity, kv_size)
};

/// Pushes hidden states through one transformer block, in place:
///     x += O(attention(rotate(Q(norm(x))), rotate(K(norm(x))), V(norm(x))))
///     x += down(silu(gate(norm(x))) * up(norm(x))), or down(relu(up(norm(x))))
/// or, with a mixture of experts, what forward/experts.hpp and the shared expert make of norm(x).
/// Where positions are learned, nothing is rotated: they are part of the hidden states. A linear
/// layer with an input quantization reads its input rounded (linalg/quantize_rows.hpp); its
/// compensation reads it as it was.
/// Work is cut into tiles of kTokenTile tokens of one sequence and, in attention, into (sequence,
/// query head, tile of queries); neither depends on the batch's size or the threads, so a sequence
/// gives the same bits in any batch on any number of threads.
///
/// Scratch, kept between runs for the largest batch so far: hidden_size + q_size + 2 kv_size +
/// intermediate_size floats a token of the batch, and kTokenTile * (intermediate_size + head_dim +
/// kKeyTile) a thread; with rounded inputs, and with compensation, kTokenTile of the widest more
/// each.
class BlockForward {
 public:
  /// @param max_length of a sequence
  BlockForward(const model::ModelConfig& config, std::size_t max_length);
  ~BlockForward();

  /// One run at a time.
  /// @param hidden (shape.num_tokens(), hidden_size)  @param listener may be null
  /// @param until the pass ends when the listener has seen this input; @p hidden is then of no use
  /// @pre shape.length <= max_length
  void run(Threads& threads, const BlockWeights& weights, BatchShape shape,
           MatrixView<float> hidden, InputListener* listener,
           std::optional<model::InputRole> until = {}) const;

  /// The same for the next tokens of a sequence whose earlier ones are in @p cache; theirs are
  /// added to it. Tiles have kExtendTile tokens; the products of a single token are shared out in
  /// tiles of kOutputTile outputs where the weights are in plain order.
  /// @param hidden (num_tokens, hidden_size)  @param start position of the first
  /// @pre start + num_tokens <= max_length and the cache's capacity; run and extend one at a time
  void extend(Threads& threads, const BlockWeights& weights, std::size_t start,
              MatrixView<float> hidden, KeyValueCache& cache) const;

  static constexpr std::size_t kTokenTile = 256;
  static constexpr std::size_t kExtendTile = 64;  // a prompt is short, and wants all threads
  static constexpr std::size_t kOutputTile = 64;

 private:
  model::ModelConfig config_;
  std::size_t max_length_;
  std::optional<RotaryTable> rotary_;
  std::unique_ptr<BlockScratch> scratch_;
};

/// The same block from the definition, in double precision with plain loops; the oracle of the
/// other. Rounds to fp32 only when it writes @p hidden.
void block_reference(const model::ModelConfig& config, const model::TensorSource& source,
                     std::size_t block, BatchShape shape, MatrixView<float> hidden);

}  // namespace tessera::forward
