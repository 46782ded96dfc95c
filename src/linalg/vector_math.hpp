#pragma once
#include <span>

#include "core/matrix.hpp"

// What a forward pass does to rows between its matrix products. Sequential and vectorized; sums run
// over sixteen lanes in a fixed order, so that bits depend on the values alone and never on where a
// row lies in memory.
namespace tessera::linalg {

/// sum_i x_i, in fp32 lanes that are added in fp64.
double sum(std::span<const float> x);

/// sum_i x_i^2, in fp32 lanes that are added in fp64.
double sum_of_squares(std::span<const float> x);

/// The largest element; -infinity when there is none.
float largest(std::span<const float> x);

/// max |x_i|; 0 when there is none.
float largest_magnitude(std::span<const float> x);

/// x_i = exp(x_i - shift); returns their sum, in fp32 lanes that are added in fp64. Relative error
/// of an element below 4e-7. @pre x_i <= shift
double exp_and_sum(std::span<float> x, float shift);

/// out_i = silu(gate_i) * up_i with silu(g) = g / (1 + exp(-g)); out may be gate or up.
void silu_times(std::span<const float> gate, std::span<const float> up, std::span<float> out);

/// x_i = max(x_i, 0)
void relu(std::span<float> x);

/// out_i = (x_i * factor) * weight_i, rounded in this order; out may be x.
void scale_by(std::span<const float> x, float factor, std::span<const float> weight,
              std::span<float> out);

/// x_i *= factor
void scale(std::span<float> x, float factor);

/// out_i = x_i - value; out may be x.
void subtract(std::span<const float> x, float value, std::span<float> out);

/// x_i = (clamp(round(x_i / scale) + zero, -128, 127) - zero) * scale, rounded half to even; zeros
/// where scale is 0.
void round_to_steps(std::span<float> x, float scale, float zero);

/// y_i += x_i
void add(std::span<const float> x, std::span<float> y);

/// Rotates the pair (x_i, x_{i + d/2}) by the angle with cosine cos_i and sine sin_i, for i < d/2 =
/// cos.size(); x.size() == d.
void rotate_halves(std::span<float> x, std::span<const float> cos, std::span<const float> sin);

}  // namespace tessera::linalg
