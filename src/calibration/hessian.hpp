#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "calibration/input_statistics.hpp"
#include "core/matrix.hpp"

namespace tessera::calibration {

/// The mean of x x^T over the tokens: the one place where the sum is divided. Lower triangle, zeros
/// above. Throws InputError when no token was counted, or when an element is not finite, naming it.
Matrix<double> hessian_of(const HessianSum& sum);
/// The same of another sum over @p num_tokens tokens.
Matrix<double> hessian_of(const Matrix<double>& sum, std::uint64_t num_tokens);
/// The same in the sum's own memory, where two squares would be one too many.
Matrix<double> hessian_of(Matrix<double>&& sum, std::uint64_t num_tokens);

/// Why that sum is no second moment, "the second moment of channels 5 and 2 is inf after 40
/// tokens"; empty: all of its numbers are finite.
std::string problem_of(const HessianSum& sum);

/// Channels that no token ever reached: their diagonal is exactly zero. In rising order.
std::vector<std::size_t> dead_channels(const HessianSum& sum);

}  // namespace tessera::calibration
