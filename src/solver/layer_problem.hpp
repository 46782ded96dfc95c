#pragma once
#include <string>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::solver {

/// One linear layer to be quantized: make W^ near W in the sense of tr((W - W^) H (W - W^)^T).
struct LayerProblem {
  std::string name;  ///< "model.layers.3.mlp.up_proj"; seeds the layer's random numbers
  MatrixView<const float> weight;  ///< (out_features, in_features)
  MatrixView<const double>
      hessian;  ///< (in_features, in_features), lower triangle; divided by the tokens, not dampened
};

/// What an approximation does to a layer's output, summed over the outputs, the mean over the
/// tokens.
struct OutputError {
  double error = 0;   ///< tr((W - W^) H (W - W^)^T)
  double output = 0;  ///< tr(W H W^T): the output's own mean square
};
/// Under the undampened H. Products in fp32 over tiles of rows, sums in fp64 in the order of the
/// rows.
/// @pre dequantized has the shape of problem.weight
OutputError output_error(Threads& threads, const LayerProblem& problem,
                         MatrixView<const float> dequantized);

/// tr((W - W^) H (W - W^)^T) / tr(W H W^T) under the undampened H; 0 when both vanish.
/// The proxy error everything is judged by (vptq.md 1.9), of the weights as an engine will see
/// them.
/// @pre dequantized has the shape of problem.weight
double relative_proxy_error(Threads& threads, const LayerProblem& problem,
                            MatrixView<const float> dequantized);

}  // namespace tessera::solver
