#include "calibration/hessian.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"

namespace tessera::calibration {
namespace {

std::string first_problem(const Matrix<double>& sum, std::uint64_t num_tokens) {
  for (std::size_t i = 0; i < sum.rows(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      if (std::isfinite(sum(i, j))) continue;
      return fmt::format("the second moment of channels {} and {} is {} after {} tokens", i, j,
                         sum(i, j), num_tokens);
    }
  }
  return "";
}

}  // namespace

std::string problem_of(const HessianSum& sum) {
  return first_problem(sum.sum, sum.num_tokens);
}

Matrix<double> hessian_of(const HessianSum& sum) {
  return hessian_of(sum.sum, sum.num_tokens);
}

Matrix<double> hessian_of(const Matrix<double>& sum, std::uint64_t num_tokens) {
  return hessian_of(sum.copy(), num_tokens);
}

Matrix<double> hessian_of(Matrix<double>&& sum, std::uint64_t num_tokens) {
  if (num_tokens == 0) {
    throw InputError(
        "a layer's statistics count no tokens (nothing was calibrated). Give calibration samples.");
  }
  if (const std::string problem = first_problem(sum, num_tokens); !problem.empty()) {
    throw InputError(problem + " (it must be finite). Look at the weights of the layers before.");
  }
  const double count = static_cast<double>(num_tokens);
  for (std::size_t i = 0; i < sum.rows(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      sum(i, j) /= count;
    }
    for (std::size_t j = i + 1; j < sum.cols(); ++j) sum(i, j) = 0;
  }
  return std::move(sum);
}

std::vector<std::size_t> dead_channels(const HessianSum& sum) {
  std::vector<std::size_t> dead;
  for (std::size_t j = 0; j < sum.sum.rows(); ++j) {
    if (sum.sum(j, j) == 0.0) dead.push_back(j);
  }
  return dead;
}

}  // namespace tessera::calibration
