#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/log.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::generation {

/// What a caller adds to a block's weights after they are loaded: the compensation of its layers.
using BlockHook = std::function<void(std::size_t block, forward::BlockWeights& weights)>;

/// A model with all its weights in memory, in fp32, and one sequence that grows: the keys and
/// values of every block, 2 * capacity * kv_size floats each.
class Decoder {
 public:
  /// Loads every block. @param capacity of the sequence, in tokens  @param hook may be empty
  /// Throws InputError as forward::load_block does, and where positions are learned and fewer.
  Decoder(Log& log, const model::ModelConfig& config, const model::TensorSource& weights,
          std::size_t capacity, const BlockHook& hook);

  /// Appends @p tokens, at least one, to the sequence; returns the logits (vocab_size) of what
  /// comes after the last, valid until the next call. Bits depend on how a sequence was cut into
  /// calls, never on the threads. Throws InputError for a token outside the vocabulary.
  /// @pre length() + tokens.size() <= capacity
  std::span<const float> append(Threads& threads, std::span<const std::uint32_t> tokens);

  std::size_t length() const { return length_; }  ///< of the sequence so far

 private:
  void push(Threads& threads, MatrixView<float> hidden);

  model::ModelConfig config_;
  forward::EmbeddingAndHead ends_;
  forward::BlockForward forward_;
  std::vector<forward::BlockWeights> blocks_;
  std::vector<forward::KeyValueCache> caches_;
  Matrix<float> logits_;
  std::size_t capacity_, length_ = 0;
};

}  // namespace tessera::generation
