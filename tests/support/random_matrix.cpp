#include "tests/support/random_matrix.hpp"

#include <cmath>
#include <vector>

#include "core/random.hpp"

namespace tessera::test {

Matrix<float> random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  const CounterRandom random(seed, "random_matrix", "test");
  Matrix<float> matrix(rows, cols);
  for (std::size_t i = 0; i < matrix.size(); ++i)
    matrix.data()[i] = static_cast<float>(random.normal(i));
  return matrix;
}

Matrix<double> random_hessian(std::size_t n, std::size_t num_tokens, std::uint64_t seed) {
  const CounterRandom random(seed, "random_hessian", "test");
  Matrix<double> hessian(n, n);
  std::vector<double> x(n);
  std::uint64_t next = n;
  for (std::size_t t = 0; t < num_tokens; ++t) {
    double common = random.normal(next++);
    for (std::size_t j = 0; j < n; ++j) {
      common = 0.8 * common + 0.6 * random.normal(next++);  // neighbours correlate
      x[j] = std::pow(10.0, random.uniform(j)) * common;
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        hessian(i, j) += x[i] * x[j] / static_cast<double>(num_tokens);
    }
  }
  return hessian;
}

}  // namespace tessera::test
