#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/input_quantization.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "forward/compensation.hpp"
#include "linalg/packed_weight.hpp"
#include "linalg/scratch_pool.hpp"
#include "model/architecture.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

class InputListener;

/// One expert: down(silu(gate(x)) * up(x)).
struct ExpertWeights {
  linalg::PackedWeight gate, up, down;
  /// How a packed model's engine rounds what gate and up read, and what down reads.
  std::optional<InputQuantization> input_quantization = {}, hidden_quantization = {};
  Compensation gate_compensation = {}, up_compensation = {}, down_compensation = {};

  Compensation& compensation_of(model::LinearRole role);  ///< @pre gate, up or down
};

/// A block's mixture of experts (Shazeer et al. 2017). The expert that all tokens share, where
/// there is one, stands among the block's own layers.
struct MixtureWeights {
  linalg::PackedWeight router;         ///< (num_experts, hidden_size)
  std::vector<ExpertWeights> experts;  ///< empty: the block has a plain MLP
  std::vector<float> shared_gate;      ///< (hidden_size); empty: no shared expert
};

/// Empty where the family has no mixture. Throws InputError for a missing, misshaped or non-finite
/// tensor, and where an expert's gate and up have their input rounded in different ways.
MixtureWeights load_mixture(const model::ModelConfig& config, const model::TensorSource& source,
                            std::size_t block);

/// sigmoid(<gate, x>): what the shared expert's output is multiplied with.
float shared_weight(std::span<const float> gate, std::span<const float> x);

/// The experts of one token, in rising order, and what their outputs are multiplied with.
struct Choice {
  std::vector<std::size_t> experts;
  std::vector<float> weights;
};

/// softmax over all of @p logits, of which the @p count largest are kept, equal ones by the lowest
/// number; @p normalizes: divided by their sum.
Choice choose_experts(std::span<const float> logits, std::size_t count, bool normalizes);

/// Sends the tokens of a batch through the experts they are routed to:
///     x += sum over a token's experts, in rising order, of weight * expert(normed x)
/// An expert's tokens of one sequence are gathered, in their order, and multiplied in tiles of
/// BlockForward::kTokenTile rows, the last filled up with zeros to a multiple of kRowStep (so that
/// the matrix products have few shapes). So a sequence gives the same bits in any batch on any
/// number of threads.
///
/// Scratch, kept between runs for the largest batch so far: experts_per_token * hidden_size floats
/// a token of the batch, with a listener hidden_size + expert_size more; a tile of 2 (hidden_size +
/// expert_size) a thread, with compensation one of the larger of the two more.
class ExpertMixture {
 public:
  /// What the batch's tokens are: sequences of @p length, which stand at position @p start in
  /// theirs.
  struct Sequences {
    std::size_t length = 0, start = 0;
  };

  explicit ExpertMixture(const model::ModelConfig& config);

  void make_room(std::size_t num_tokens);
  /// Chooses the experts of tokens [row, row + x.rows) of the batch from what the MLP reads.
  /// Several threads may route different tokens at once. @pre make_room() for them
  void route(const MixtureWeights& weights, MatrixView<const float> x, std::size_t row);
  /// Adds what the experts make of @p normed, (tokens, hidden_size), to @p hidden, of the same
  /// shape. @param listener may be null  @pre all are routed
  void run(Threads& threads, const MixtureWeights& weights, MatrixView<const float> normed,
           Sequences sequences, MatrixView<float> hidden, InputListener* listener);

  static constexpr std::size_t kRowStep = 16;

 private:
  using Lease = linalg::ScratchPool::Lease;
  /// Rows [begin, begin + count) of an expert's, all of one sequence.
  struct Part {
    std::size_t expert, begin, count;
  };

  void sort_by_expert(std::size_t num_tokens);
  std::vector<Part> cut(std::size_t length) const;
  void compute(const MixtureWeights& weights, const Part& part, MatrixView<const float> normed,
               Sequences sequences, bool keeps_inputs);
  /// The channels of the part's inputs @p x that are compensated; empty where none are.
  MatrixView<const float> keep(const Compensation& compensation, const Part& part,
                               Sequences sequences, MatrixView<const float> x,
                               std::optional<Lease>& lease);
  void add(MatrixView<float> hidden, Tile rows) const;
  void tell(InputListener& listener) const;

  const std::size_t hidden_size_, expert_size_, num_experts_, per_token_;
  const bool normalizes_;
  // By token, per_token_ each: its experts, its weights, the row of its outputs.
  std::vector<std::size_t> expert_, row_of_;
  std::vector<float> weight_;
  // By row, expert after expert, each one's in the order of tokens.
  std::vector<std::size_t> token_;  ///< whose it is
  std::vector<float> weight_of_row_;
  std::vector<std::size_t> first_row_;  ///< by expert, and the end
  Matrix<float> outputs_;               ///< weighted
  Matrix<float> inputs_, inner_;        ///< what gate and up, and down, read; for a listener
  linalg::ScratchPool logits_, wide_, inner_tiles_, kept_;  ///< a tile for each thread
};

}  // namespace tessera::forward
