#pragma once
#include <cstdint>

#include "core/matrix.hpp"

namespace tessera::test {

/// Standard normal entries; the same seed gives the same matrix.
Matrix<float> random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed);

/// A second moment as layers have: correlated channels whose sizes differ by two orders of
/// magnitude, from
/// @p num_tokens random tokens (fewer than n make it singular). Full square.
Matrix<double> random_hessian(std::size_t n, std::size_t num_tokens, std::uint64_t seed);

}  // namespace tessera::test
