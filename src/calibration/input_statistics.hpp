#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "calibration/statistics_extras.hpp"
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
  std::vector<double> first_sum;        ///< (n): sum of x over the samples' first tokens
  std::uint64_t num_first = 0;          ///< such tokens
  std::vector<float> minimum, maximum;  ///< (n), per channel; +inf and -inf before the first token

  StatisticsExtras extras;
  Matrix<float> token_rows;  ///< (extras.sample.num_rows, n): zero until their token comes
  Matrix<double> left_sum;   ///< (n, n) with extras.k_chunk, lower triangle: sum over tokens of
                             ///< (x - x*m)(x - x*m)^T, m the token's own largest channels (qdec.md
                             ///< section 2, exact); else (0, 0)

  explicit InputStatistics(std::size_t num_channels = 0, StatisticsExtras extras = {});
  std::size_t num_channels() const { return sum.size(); }

  /// The mean input over the tokens, first ones left out: those are attention's sinks, with means
  /// of their own (aweq.md section 3). Over all of them where there are no others.
  std::vector<double> mean() const;

  /// Adds the rows of @p x (tokens, n), which stand at @p place of the calibration set. Throws
  /// InputError naming row and channel when a value is NaN or infinite, and then has added nothing.
  /// The result does not depend on the number of threads.
  void add(Threads& threads, MatrixView<const float> x, BatchPlace place = {});

  /// Adds another partial's sums; the order of calls is the order of summation.
  /// @pre other.num_channels() == num_channels()
  void merge(const InputStatistics& other);
};

}  // namespace tessera::calibration
