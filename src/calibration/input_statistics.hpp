#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::calibration {

/// The undivided second moment of a layer's input with the number of tokens it counts; sums add,
/// nothing is divided here (hessian.hpp does, once).
struct HessianSum {
  std::uint64_t num_tokens = 0;
  Matrix<double> sum;  ///< (n, n), lower triangle: sum over tokens of x x^T
};

/// What calibration keeps of one linear layer's input.
struct InputStatistics {
  HessianSum hessian;
  std::vector<double> sum;              ///< (n): sum over tokens of x
  std::vector<float> minimum, maximum;  ///< (n), per channel; +inf and -inf before the first token
  std::vector<float> sorted_maximum;    ///< (n): position-wise maximum over tokens of |x| sorted
                                      ///< downwards (qdec.md section 2)

  explicit InputStatistics(std::size_t num_channels = 0);
  std::size_t num_channels() const { return sum.size(); }

  /// Adds the rows of @p x (tokens, n). Throws InputError naming row and channel when a value is
  /// NaN or infinite, and then has added nothing. The result does not depend on the number of
  /// threads.
  void add(Threads& threads, MatrixView<const float> x);

  /// Adds another partial's sums; the order of calls is the order of summation.
  /// @pre other.num_channels() == num_channels()
  void merge(const InputStatistics& other);
};

/// Walks the fields past an archive; the same function loads and stores (store/archive.hpp).
template <class Archive>
void archive(Archive& a, InputStatistics& s) {
  a("num_tokens", s.hessian.num_tokens);
  a("hessian_sum", s.hessian.sum, typename Archive::LowerTriangle{});
  a("sum", s.sum);
  a("minimum", s.minimum);
  a("maximum", s.maximum);
  a("sorted_maximum", s.sorted_maximum);
}

}  // namespace tessera::calibration
