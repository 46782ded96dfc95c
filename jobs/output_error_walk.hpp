#pragma once
#include <vector>

#include "calibration/output_errors.hpp"
#include "jobs/hidden_states.hpp"

namespace tessera::jobs {

/// One block as the original and as the quantized model have it.
struct BlockPair {
  forward::BlockWeights original, quantized;
};

/// Pushes calibration shards through a block of two models, up to the input of some layers, and
/// adds up how far those layers' outputs are apart.
class OutputErrorWalk {
 public:
  /// @param shards all calibration shards; they outlive this
  OutputErrorWalk(RunContext& run, const PreparedRun& prepared, const std::vector<Tile>& shards);

  /// The errors of @p layers, which read the same input, over all shards, on every rank. Samples
  /// that are not finite in one of the models count for nothing. Collective.
  /// @param original, quantized this rank's shards, as they are in front of the block
  std::vector<calibration::OutputErrors> measure(const BlockPair& block,
                                                 const std::vector<model::LinearLayer>& layers,
                                                 std::size_t block_index, HiddenStates& original,
                                                 HiddenStates& quantized) const;

 private:
  void add_shard(const BlockPair& block, const std::vector<model::LinearLayer>& layers,
                 const Matrix<float>& original, const Matrix<float>& quantized,
                 std::vector<calibration::OutputErrors>& errors) const;
  Matrix<float> input_of_layers(const forward::BlockWeights& weights, model::InputRole role,
                                MatrixView<const float> hidden) const;

  RunContext& run_;
  const std::vector<Tile>& shards_;
  const std::size_t length_;
  const forward::BlockForward forward_;
};

}  // namespace tessera::jobs
