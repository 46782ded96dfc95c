#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace tessera::solver {

/// How a layer's solve went and what it met on its way.
struct SolveReport {
  double proxy_error = 0;    ///< of the dequantized weights, relative_proxy_error
  double damp_fraction = 0;  ///< as used
  double bias_gain = 0;      ///< share of the output error that the corrected bias removes; 0: none
  std::size_t num_dead_columns = 0;  ///< columns no input ever reached
  std::vector<std::string> remarks;  ///< degenerate input and how it was handled, in sentences
};

}  // namespace tessera::solver
