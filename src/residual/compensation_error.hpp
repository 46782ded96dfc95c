#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "residual/channel_selection.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::residual {

/// How channels are chosen, and what that leaves of a layer's output error on some tokens.
struct CompensationPoint {
  SelectionRule rule = SelectionRule::exact;
  std::uint64_t k_chunk = 0;
  double error = 0;  ///< sum |W x - W^ x - R (x*m)|^2 / sum |W x|^2 over the tokens
  double recall =
      1;  ///< share of the largest |x_j| of all channels (rule `global`) that was chosen
};

template <class Archive>
void archive(Archive& a, CompensationPoint& p) {
  a("rule", p.rule);
  a("k_chunk", p.k_chunk);
  a("error", p.error);
  a("recall", p.recall);
}

/// Fills in error and recall of @p points. Products in fp32 over tiles of outputs, sums in fp64 in
/// their order. Memory: a copy of the tokens for each point.
/// @param weight, quantized (M, N)  @param tokens (T, N), the layer's inputs  @param name of the
/// layer, for random choice
void measure_compensation(Threads& threads, const std::string& name, MatrixView<const float> weight,
                          MatrixView<const float> quantized, const ResidualLayer& residual,
                          MatrixView<const float> tokens, std::span<CompensationPoint> points);

}  // namespace tessera::residual
