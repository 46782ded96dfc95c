#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "solver/aweq/aweq_settings.hpp"

namespace tessera::solver {

/// An input X (tokens, N) that some layers read, each y = X W^T. For positive s, X diag(1/s) and W
/// diag(s) give the same y; whatever makes X divides by s (aweq.md sections 1 and 2).
struct SharedInput {
  std::string name;                                ///< for messages: "block 3, mlp_input"
  std::vector<MatrixView<const float>> consumers;  ///< (M, N) each
  MatrixView<const double> hessian;                ///< (N, N), lower triangle: mean of x x^T
  std::vector<float> minimum, maximum;             ///< (N)
  MatrixView<const float> rows;  ///< (R, N): sampled tokens; none where inputs are not quantized
  std::vector<std::uint32_t> scale_of;  ///< (N): which scale a channel has; empty: each its own
};

/// A member of the family s = range_x^exponent / range_w^(1 - exponent), aweq.md section 8.
struct ScaleRule {
  bool is_identity = true;
  RangeKind range = RangeKind::min_max;
  double exponent = 0.5;
  std::string to_text() const;  ///< "min_max ^ 0.50"
};
inline constexpr ScaleRule kAweqRule{false, RangeKind::min_max, 0.5};
inline constexpr ScaleRule kSmoothQuantRule{false, RangeKind::abs_max, 0.5};

/// The member's s by channel, in fp32. Ranges of channels that share a scale are joined by their
/// maximum; weights' ranges are over all consumers. A channel without input or weight has s = 1;
/// others are kept within 1e-5 ... 1e5. Throws InputError naming input and channel for a range that
/// is not finite.
std::vector<float> equalizing_scale(const SharedInput& input, const ScaleRule& rule);

/// The error that integers make of the consumers' outputs at scale @p s, rounded to the nearest,
/// summed over outputs, a token's mean: from the Hessian, or where inputs are quantized from the
/// sampled tokens as an engine computes them.
double scaled_error(Threads& threads, const SharedInput& input, std::span<const float> s,
                    const IntegerSettings& integers, StoredType scale_type);

struct Equalization {
  std::vector<float> scale;  ///< (N); empty: none
  ScaleRule rule;
  double error = 0;        ///< scaled_error at it
  double plain_error = 0;  ///< at s = 1
};

/// As the settings say. The search tries s = 1, AWEQ's formula, SmoothQuant(0.5) and the family
/// with exponents in steps of 0.25, then around the best in steps of 0.05: so it is never worse
/// than any of these on the calibration set. Equal errors: the first.
Equalization equalize(Threads& threads, const SharedInput& input, const AweqSettings& settings,
                      StoredType scale_type);

}  // namespace tessera::solver
